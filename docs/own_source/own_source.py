"""A source of your own: events in NumPy files, which become a Parquet file that cards read."""

import sys
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np

from hepcs.sources.base import Chunk
from hepcs.sources.convert import convert


@dataclass(frozen=True)
class NumpyFiles:
    """Files with `particles`, shape (n, m, 3): pt (GeV), eta, phi, zero padded; and `label`, shape (n,)."""

    files: tuple[str, ...]
    has_labels: bool = True

    def chunks(self):
        """One a file; larger files are better read in several."""
        return tuple(Chunk(file, 0, len(np.load(file)["label"])) for file in self.files)

    def read(self, chunk):
        """Constituents, n x var x {pt, eta, phi, mass}, without the padding."""
        particles = np.load(chunk.file)["particles"]
        pt, eta, phi = (ak.from_regular(ak.Array(particles[..., i])) for i in range(3))
        events = ak.zip({"pt": pt, "eta": eta, "phi": phi, "mass": 0 * pt})
        return events[events.pt > 0]

    def read_labels(self, chunk):
        """Truth labels, 0 for background."""
        return np.load(chunk.file)["label"].astype(np.int8)


if __name__ == "__main__":
    *files, destination = sys.argv[1:]
    convert(NumpyFiles(tuple(files)), Path(destination))
