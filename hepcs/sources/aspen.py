"""Aspen Open Jets: large-R jets of CMS 2016 open data in HDF5, one row a jet (arXiv:2412.10504).

Four datasets with as many rows: ``event_info`` (run, luminosity section, event), ``jet_kinematics`` (pT, eta, phi,
soft-drop mass), ``PFCands`` (150 x 11, zero padded: px, py, pz, E, d0, its error, dz, its error, charge, PDG
number, weight of PUPPI) and ``jet_tagging``, which is not read. The jets of an event follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import h5py
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.sources.base import Chunk, InputFile, SourceBlock
from hepcs.sources.chunking import limit_chunks, split_entries
from hepcs.sources.event_selection import LumiMask
from hepcs.sources.files import as_names, describe_local_file, is_url, reading
from hepcs.sources.hdf5 import has_checksum, open_hdf5, require_blocks, require_filters
from hepcs.sources.packing import pack_constituents

_CANDIDATES, _JETS, _EVENTS = "PFCands", "jet_kinematics", "event_info"
_EXPECTED = {_CANDIDATES: "(jets, 150, 11)", _JETS: "(jets, 4)", _EVENTS: "(jets, 3)"}
_WEIGHT = 10  # column of PUPPI's weight
_TARGET = 5000  # rows of a chunk: 33 MB as float32
_MOST_JETS = 64  # rows that are looked at beyond a chunk for the end of its last event
_LISTED = 20


def _sums_of_squares(px: NDArray[Any], py: NDArray[Any], pz: NDArray[Any]) -> NDArray[np.float64]:
    return px**2 + py**2 + pz**2


@contextmanager
def _opened(path: str) -> Iterator[dict[str, h5py.Dataset]]:
    """The datasets of a file, open, with the shapes that they must have."""
    if is_url(path):
        raise InputError(f"{path}: HDF5 files are read from local disk; download it first")
    with reading(path, "it as HDF5"):
        file = open_hdf5(path)
    with file:
        with reading(path, "its datasets"):
            there = {name: node for name, node in file.items() if isinstance(node, h5py.Dataset)}
            shapes = {name: node.shape for name, node in there.items()}
        fits = {
            name: name in shapes
            and len(shapes[name]) == expected.count(",") + 1
            and shapes[name][-1] >= int(expected.rpartition(" ")[2].rstrip(")"))
            for name, expected in _EXPECTED.items()
        }
        n_rows = {shapes[name][0] for name in _EXPECTED if fits[name]}
        if not all(fits.values()) or len(n_rows) != 1:
            found = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:_LISTED]) or "none"
            wanted = ", ".join(f"`{name}` {shape}" for name, shape in _EXPECTED.items())
            raise InputError(
                f"{path}: expected the datasets of Aspen Open Jets, {wanted}, of as many rows; found: {found}"
            )
        for name in _EXPECTED:
            require_filters(there[name], path)
        yield there


@dataclass(frozen=True)
class AspenFiles:
    """Aspen Open Jets as an :class:`~hepcs.sources.base.EventSource`: the jets of an event belong together.

    Entries are rows, that is jets; the entry of an event is that of its first jet.

    Parameters
    ----------
    files : tuple of str
        Local paths, or one of them.
    momentum : "stored" or "constituents"
        pT, eta and phi of the file, with the mass of the constituents scaled as their pT is (the file has the
        soft-drop mass alone), or the sums of the constituents.
    lumi_mask : LumiMask or None
        Certified luminosity sections; the published files hold only these.
    max_events : int or None
        Read only the first so many rows of all files together.
    digest_memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.
    """

    files: tuple[str, ...]
    momentum: Literal["stored", "constituents"] = "stored"
    lumi_mask: LumiMask | None = None
    max_events: int | None = None
    digest_memo: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", as_names(self.files))

    @property
    def has_labels(self) -> bool:
        """Recorded events have none."""
        return False

    def only(self, files: Sequence[str]) -> AspenFiles:
        """The same source of some of its files alone."""
        return replace(self, files=tuple(files))

    def _file_chunks(self) -> Iterator[Chunk]:
        for path in self.files:
            with _opened(path) as data:
                n_rows, stored = data[_JETS].shape[0], data[_CANDIDATES].chunks
                with reading(path, "the list of its storage blocks"):
                    for name in _EXPECTED:
                        require_blocks(data[name], path)
            boundaries = np.arange(0, n_rows, stored[0] if stored else 1)
            for start, stop in split_entries(n_rows, boundaries, _TARGET, _TARGET + _TARGET // 2):
                yield Chunk(path, start, stop)

    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks, about 5000 jets each.

        Raises
        ------
        InputError
            A file is missing, truncated, no HDF5 or of another layout, or no file has a jet.
        """
        chunks = limit_chunks(self._file_chunks(), self.max_events)
        if not chunks:
            raise InputError(f"{', '.join(self.files[:_LISTED])}: no jets; expected at least one event")
        return chunks

    def read(self, chunk: Chunk) -> Any:
        """Constituents of the jets of a chunk: n events x var x {pt, eta, phi, mass}, GeV and radians, weighted.

        Raises
        ------
        InputError
            The rows cannot be read, or the jets of an event are not together.
        """
        return self.read_block(chunk).constituents

    def read_block(self, chunk: Chunk) -> SourceBlock:
        """The events whose first jet is in a chunk, with all their jets."""
        with _opened(chunk.file) as data, reading(chunk.file, f"rows [{chunk.start}, {chunk.stop})"):
            ids, first_row, n_jets = _events(data[_EVENTS], chunk)
            stop = first_row + int(n_jets.sum())
            rows = np.asarray(data[_CANDIDATES][first_row:stop], dtype=np.float64)
            stored = np.asarray(data[_JETS][first_row:stop, :3], dtype=np.float64)
        weight = rows[:, :, _WEIGHT]
        in_list = np.any(rows[:, :, :4] != 0, axis=2)
        kept = in_list & (weight != 0)
        counts = kept.sum(axis=1)
        px, py, pz, energy = (rows[:, :, i][kept] for i in range(4))
        pt = np.hypot(px, py)
        with np.errstate(divide="ignore", invalid="ignore"):
            eta = np.arcsinh(pz / pt)
        mass = np.sqrt(np.maximum(energy**2 - _sums_of_squares(px, py, pz), 0.0))
        constituents = pack_constituents(counts, pt, eta, np.arctan2(py, px), mass, weight[kept])
        jets = self._jets(stored, rows[:, :, :4], np.where(kept, weight, 0.0))
        jets = ak.zip({**jets, "constituents": constituents}, depth_limit=1)
        events = ak.unflatten(jets, n_jets)
        entry = first_row + np.cumsum(n_jets) - n_jets
        steps = [("entries read", chunk.n_entries), ("events of these jets", len(n_jets))]
        block = SourceBlock(
            ak.flatten(events.constituents, axis=2),
            entry,
            tuple(steps),
            int(np.count_nonzero(in_list & (weight == 0))),
            ids,
            events,
        )
        if self.lumi_mask is None:
            return block
        certified = self.lumi_mask.certified(ids[:, 0], ids[:, 1])
        steps.append(("certified luminosity section", int(certified.sum())))
        return replace(block.take(certified), steps=tuple(steps))

    def _jets(
        self, stored: NDArray[np.float64], rows: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """pt, eta, phi, mass and area (which the files do not have) of jets, shape (j,) each."""
        px, py, pz, energy = np.einsum("jci,jc->ij", rows, weight)
        pt = np.hypot(px, py)
        mass = np.sqrt(np.maximum(energy**2 - _sums_of_squares(px, py, pz), 0.0))
        area = np.full(len(pt), np.nan)
        if self.momentum == "constituents":
            eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
            return {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "mass": mass, "area": area}
        scale = np.divide(stored[:, 0], pt, out=np.ones_like(pt), where=pt > 0)
        return {
            "pt": stored[:, 0],
            "eta": stored[:, 1],
            "phi": stored[:, 2],
            "mass": mass * scale,
            "area": area,
        }

    def read_labels(self, chunk: Chunk) -> NDArray[np.int8]:
        """Raises InputError: recorded events have no truth labels."""
        raise InputError(f"{chunk.file}: has no truth labels: these are recorded events")

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, number of jets and SHA-256; and the mask."""
        described = []
        for path in self.files:
            with _opened(path) as data, reading(path, "how its data are stored"):
                n_rows, protected = data[_JETS].shape[0], all(has_checksum(data[one]) for one in _EXPECTED)
            described.append(describe_local_file(path, n_rows, self.digest_memo, protected=protected))
        if self.lumi_mask is not None:
            described.append(describe_local_file(self.lumi_mask.path, 0, self.digest_memo, protected=True))
        return tuple(described)


def _events(dataset: h5py.Dataset, chunk: Chunk) -> tuple[NDArray[np.int64], int, NDArray[np.int64]]:
    """The events whose first row is in a chunk: their ids (n, 3), the first row, and rows of each (n,)."""
    begin = max(chunk.start - 1, 0)
    ids = np.asarray(dataset[begin : min(chunk.stop + _MOST_JETS, dataset.shape[0]), :3]).astype(np.int64)
    first = np.flatnonzero(np.append(begin == chunk.start, np.any(ids[1:] != ids[:-1], axis=1))) + begin
    ends = np.append(first[1:], begin + len(ids))
    inside = (first >= chunk.start) & (first < chunk.stop)
    if len(np.unique(ids[first - begin], axis=0)) != len(first):
        raise InputError(
            f"{chunk.file}: rows [{chunk.start}, {chunk.stop}): the jets of an event are not next to each other; "
            "expected them together. Sort the rows by `event_info`"
        )
    chosen = first[inside]
    return ids[chosen - begin], int(chosen[0]) if chosen.size else chunk.stop, (ends - first)[inside]
