"""Writing samples in chunks: ROOT (TTree or RNTuple), the LHC Olympics HDF5 layout, and Parquet.

Each writer is a context manager. It writes to a temporary name in the same folder, which becomes the file when
the block ends well, and is removed when it does not: a file with its right name is always whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.sources.lhco_writing import LhcoWriter
from hepcs.sources.packing import FIELDS
from hepcs.sources.parquet import require_pyarrow
from hepcs.sources.writer import EventWriter

__all__ = ["EventWriter", "LhcoWriter", "ParquetWriter", "RootWriter"]


class _ColumnWriter(EventWriter):
    """What ROOT and Parquet have in common: float32 particles, and ``event`` (int64) counted from 0."""

    _columns: Any = None

    def _particles(self, events: Any) -> Any:
        return ak.values_astype(events[list(FIELDS if self._mass else FIELDS[:3])], np.float32)

    def _numbers(self, n: int) -> NDArray[np.int64]:
        return np.arange(self.n_written, self.n_written + n, dtype=np.int64)


class RootWriter(_ColumnWriter):
    """ROOT: TTree or RNTuple `Events` with jagged ``Particle_pt``, ``Particle_eta``, ``Particle_phi`` as float32.

    Beside them ``event`` (int64, counted from 0), ``label`` (int32) if there are labels, and ``Particle_mass``
    if there are masses. :class:`~hepcs.sources.root.RootFiles` reads it as the layout `flat`.

    Parameters
    ----------
    destination : Path
        The file to write.
    kind : "ttree" or "rntuple"
        What to write.
    mass : bool or None
        See :class:`EventWriter`.
    """

    def __init__(
        self, destination: Path, *, kind: Literal["ttree", "rntuple"] = "ttree", mass: bool | None = None
    ) -> None:
        super().__init__(destination, mass=mass)
        if kind not in ("ttree", "rntuple"):
            raise ArgumentError(f"kind = {kind!r}; expected 'ttree' or 'rntuple'")
        self._kind = kind

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        particles = self._particles(events)
        block: dict[str, Any] = {"event": self._numbers(len(events))}
        if labels is not None:
            block["label"] = labels.astype(np.int32)
        if self._kind == "ttree":
            block["Particle"] = particles  # as one record, the fields share one counter
        else:
            block |= {f"Particle_{field}": particles[field] for field in ak.fields(particles)}
        if self._columns is None:
            # Zlib has a checksum: a flipped bit is an error. Zstandard in ROOT files has none.
            file = self._open_files.enter_context(
                uproot.recreate(self._temporary, compression=uproot.ZLIB(1))
            )
            make = file.mktree if self._kind == "ttree" else file.mkrntuple
            self._columns = make(
                "Events", {name: str(ak.type(column).content) for name, column in block.items()}
            )
        if len(events):
            self._columns.extend(block)


class ParquetWriter(_ColumnWriter):
    """Parquet: list columns ``pt``, ``eta``, ``phi`` (float32), ``event``; ``label`` and ``mass`` if any.

    MissingDependencyError without pyarrow.
    """

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        require_pyarrow(f"to write {self.destination}")
        import pyarrow.parquet as pq

        particles = self._particles(events)
        block = {field: particles[field] for field in ak.fields(particles)}
        if labels is not None:
            block["label"] = labels
        block["event"] = self._numbers(len(events))
        table = ak.to_arrow_table(ak.zip(block, depth_limit=1), list_to32=True, extensionarray=False)
        if self._columns is None:
            self._columns = self._open_files.enter_context(
                pq.ParquetWriter(self._temporary, table.schema, compression="zstd", write_page_checksum=True)
            )
        self._columns.write_table(table)
