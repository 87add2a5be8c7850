"""From a source to selected dijets on disk: streamed, in several processes, kept by content.

Each chunk of the source becomes one file, written whole, so an interrupted run goes on where it stopped and a
second run finds everything there. The truth labels go to files of their own beside them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs.datacard.schema import Images, Jets
from hepcs.errors import InputError
from hepcs.images import require_filled_images
from hepcs.jets import Cutflow, Rejection, resolve_backend, select_dijets
from hepcs.progress import Mapper, Progress, tracked
from hepcs.sources.base import Chunk, EventSource, InputFile
from hepcs.storage import atomic_path, digest_of, stored_arrays, wait_for_files

logger = logging.getLogger(__name__)

# Part of the key of what is on disk: raised when the same input would give other dijets.
VERSION = 1


@dataclass(frozen=True)
class DijetArrays:
    """The dijets of one chunk inside the evaluation region, as they lie on disk.

    Attributes
    ----------
    m_jj
        Shape (n,), GeV.
    mass
        Jet masses, leading jet first, shape (n, 2), GeV.
    constituents
        Awkward array 2n x var x {pt, eta, phi}: leading and subleading jet of each event in turn.
    """

    m_jj: NDArray[np.float64]
    mass: NDArray[np.float32]
    constituents: ak.Array


@dataclass(frozen=True)
class Ingested:
    """Selected dijets of a sample on disk.

    Attributes
    ----------
    key
        Digest of all that made them.
    files
        One file for each chunk of the source.
    cutflow
        Events after each step of the selection.
    rejections
        Unusable events, listed up to a limit; the cutflow counts them all.
    inputs
        The input files.
    reused
        Whether all was found on disk.
    """

    key: str
    files: tuple[Path, ...]
    cutflow: Cutflow
    rejections: tuple[Rejection, ...]
    inputs: tuple[InputFile, ...]
    reused: bool

    @property
    def n_selected(self) -> int:
        """Events that passed all of the selection but the window in m_jj, its last step."""
        return self.cutflow.counts[-2]


@dataclass(frozen=True)
class _Settings:
    """What a process needs to ingest a chunk."""

    source: EventSource
    jets: Jets
    images: Images
    window: tuple[float, float]
    labelled: bool


def ingest(
    source: EventSource,
    description: Mapping[str, Any],
    *,
    name: str,
    labelled: bool,
    jets: Jets,
    images: Images,
    window: tuple[float, float],
    cache: Path,
    mapper: Mapper,
    progress: Progress,
) -> Ingested:
    """Recluster and select all events of a source, and keep those with m_jj in a window.

    Parameters
    ----------
    source
        Where the events come from.
    description
        What the card says about the source, beyond its files: part of the key.
    name
        What the sample is, for progress and messages.
    labelled
        Whether its truth labels are kept; if not, they are not even read.
    jets, images
        Sections of the card; jets must have a constituent inside the crop of the images.
    window
        Evaluation region in m_jj, [low, high), GeV.
    cache
        Folder of prepared samples.
    mapper, progress
        Where the work runs and how it reports.

    Raises
    ------
    InputError
        If the input cannot be read, or no event passes.
    """
    jets = jets.model_copy(update={"backend": resolve_backend(jets.backend)})
    inputs, chunks = source.input_files(), source.chunks()
    key = digest_of(
        {
            "version": VERSION,
            "inputs": [[file.digest, file.n_entries] for file in inputs],
            "source": dict(description),
            "chunks": [[chunk.start, chunk.stop] for chunk in chunks],
            "labelled": labelled,
            "jets": jets.model_dump(mode="json"),
            "backend": version(jets.backend),
            "crop": images.half_width,
            "window": list(window),
        }
    )
    folder = cache / "dijets" / key[:20]
    files = tuple(folder / f"{index:05d}.npz" for index in range(len(chunks)))
    missing = [(chunk, file) for chunk, file in zip(chunks, files, strict=True) if not file.exists()]
    if missing:
        logger.info("%s: ingesting %d of %d chunks", name, len(missing), len(chunks))
        function = partial(_ingest_chunk, _Settings(source, jets, images, window, labelled))
        for _ in tracked(mapper(function, missing), f"{name}: jets", len(missing), progress):
            pass
        wait_for_files(files)
    else:
        logger.info("%s: reusing the selected dijets in %s", name, folder)
    records = [_read_record(file) for file in files]
    cutflow = sum((record[0] for record in records[1:]), start=records[0][0])
    if cutflow.counts[-1] == 0:
        raise InputError(f"{name}: no event passes the selection.\n{cutflow}")
    rejections = tuple(rejection for record in records for rejection in record[1])
    return Ingested(key, files, cutflow, rejections, inputs, reused=not missing)


def _ingest_chunk(settings: _Settings, item: tuple[Chunk, Path]) -> None:
    """Write the dijets of a chunk, and their truth labels to a file of their own."""
    chunk, file = item
    constituents = settings.source.read(chunk)
    found = select_dijets(constituents, settings.jets, file=chunk.file, first_entry=chunk.start)
    # In the precision that is kept, so that no jet at the edge of the crop loses its image to rounding.
    rounded = ak.values_astype(found.jets.constituents, np.float32)
    found = replace(found, jets=ak.with_field(found.jets, rounded, "constituents"))
    selected = require_filled_images(found, half_width=settings.images.half_width)
    low, high = settings.window
    mask = (selected.m_jj >= low) & (selected.m_jj < high)
    inside = selected.take(mask, f"m_jj in [{low:g}, {high:g}) GeV")
    flat = ak.flatten(inside.jets.constituents, axis=1)
    record = {
        "cutflow": asdict(inside.cutflow),
        "rejections": [asdict(rejection) for rejection in inside.rejections],
    }
    if settings.labelled:
        labels = settings.source.read_labels(chunk)[selected.entry - chunk.start]
        with atomic_path(_truth_file(file)) as temporary:
            np.savez(temporary, selected=labels, inside=labels[mask])
    with atomic_path(file) as temporary:
        np.savez(
            temporary,
            record=np.array(json.dumps(record)),
            m_jj=inside.m_jj,
            mass=ak.to_numpy(inside.jets.mass).astype(np.float32).reshape(-1, 2),
            counts=ak.to_numpy(ak.num(flat, axis=1)),
            constituents=np.stack(
                [ak.to_numpy(ak.flatten(flat[name])).astype(np.float32) for name in ("pt", "eta", "phi")]
            ),
        )


def _truth_file(file: Path) -> Path:
    return file.with_name(f"truth-{file.name}")


def _read_record(file: Path) -> tuple[Cutflow, tuple[Rejection, ...]]:
    with stored_arrays(file) as arrays:
        record = json.loads(str(arrays["record"]))
    cutflow = Cutflow(tuple(record["cutflow"]["names"]), tuple(record["cutflow"]["counts"]))
    return cutflow, tuple(Rejection(**rejection) for rejection in record["rejections"])


def read_dijets(file: Path) -> DijetArrays:
    """The dijets of one chunk; raises InputError if its file is damaged."""
    with stored_arrays(file) as arrays:
        pt, eta, phi = arrays["constituents"]
        flat = ak.zip({"pt": pt, "eta": eta, "phi": phi})
        return DijetArrays(arrays["m_jj"], arrays["mass"], ak.unflatten(flat, arrays["counts"]))


@dataclass(frozen=True)
class TruthLabels:
    """Truth labels: of the events inside the evaluation region, and of all that passed the selection."""

    inside: NDArray[np.int8]
    selected: NDArray[np.int8]


def read_truth(ingested: Ingested) -> TruthLabels:
    """Truth labels of a labelled sample; only injection and studies ask for them."""
    inside, selected = [], []
    for file in ingested.files:
        with stored_arrays(_truth_file(file)) as arrays:
            inside.append(arrays["inside"])
            selected.append(arrays["selected"])
    return TruthLabels(np.concatenate(inside), np.concatenate(selected))
