"""LHC Olympics HDF5 files: rows of 700 x (pT, eta, phi), zero padded, with or without a label.

A pandas fixed-format table (SPEC section 1): the dataset ``df/block0_values`` has 2101 columns, the last one
the label, or 2100 (black boxes), whose labels are text files with one number a line. Other ways in which the same
columns are stored are found by :mod:`hepcs.sources.lhco_tables`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import Units
from hepcs.sources.base import Chunk, InputFile, SourceBlock
from hepcs.sources.chunking import limit_chunks, split_entries
from hepcs.sources.files import as_names, describe_local_file, is_url, reading
from hepcs.sources.hdf5 import open_hdf5
from hepcs.sources.lhco_tables import N_COLUMNS, EventTable, find_table
from hepcs.sources.packing import as_labels, pack_constituents

_TARGET = 2000  # rows of a chunk: 34 MB as float64


@contextmanager
def _open_table(path: str) -> Iterator[EventTable]:
    """The validated table of a file, open."""
    if is_url(path):
        raise InputError(
            f"{path}: LHC Olympics files are read from local disk; download it, or convert it to ROOT"
        )
    with reading(path, "it as HDF5"):
        file = open_hdf5(path)
    with file:
        with reading(path, "its datasets"):
            table = find_table(file, path)
        yield table


@functools.lru_cache(maxsize=2)
def _read_label_file(path: str, _mtime_ns: int) -> NDArray[np.int8]:
    """Labels of a text file; remembered, since every chunk of the data file asks for its part."""
    with reading(path, "it as one label a line"):
        values = np.loadtxt(path, dtype=np.float64, ndmin=1)
    return as_labels(values, path, 0)


@dataclass(frozen=True)
class LhcoFiles:
    """LHC Olympics HDF5 files as an :class:`~hepcs.sources.base.EventSource`.

    Parameters
    ----------
    files : tuple of str
        Local paths, or one of them; all with labels, or all without.
    label_files : tuple of str
        For files without labels: one text file for each, with one label a line (0 for background; other numbers
        are kept as they are).
    max_events : int or None
        Read only the first so many entries of all files together.
    digest_memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.
    units : "MeV", "GeV" or "TeV"
        Units of pT and mass in the files.
    """

    files: tuple[str, ...]
    label_files: tuple[str, ...] = ()
    max_events: int | None = None
    digest_memo: Path | None = field(default=None, compare=False)
    units: Units = "GeV"

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", as_names(self.files))
        object.__setattr__(self, "label_files", as_names(self.label_files))

    def _has_label_column(self) -> bool:
        with _open_table(self.files[0]) as table:
            return table.has_labels

    def only(self, files: Sequence[str]) -> LhcoFiles:
        """The same source of some of its files alone, with the label files that go with them."""
        beside = dict(zip(self.files, self.label_files, strict=False))
        return replace(self, files=tuple(files), label_files=tuple(beside[f] for f in files if f in beside))

    @property
    def has_labels(self) -> bool:
        """Whether the files, or label files beside them, hold truth labels."""
        return bool(self.label_files) or self._has_label_column()

    def _file_chunks(self) -> Iterator[Chunk]:
        labelled = self._has_label_column()
        if labelled and self.label_files:
            raise InputError(
                f"{self.files[0]}: has its own labels in column {N_COLUMNS + 1}, and `label_files` gives others; "
                "remove `label_files`"
            )
        if self.label_files and len(self.label_files) != len(self.files):
            raise InputError(
                f"{len(self.label_files)} label files for {len(self.files)} data files; expected one for "
                "each, in order"
            )
        for path in self.files:
            with _open_table(path) as table:
                n_rows, stored, has_labels = table.n_rows, table.stored_rows, table.has_labels
                with reading(path, "the list of its storage blocks"):
                    table.require_blocks(path)
            if has_labels != labelled:
                raise InputError(
                    f"{path}: has {N_COLUMNS + has_labels} columns, and {self.files[0]} has {N_COLUMNS + labelled}"
                    "; expected files that all have labels, or all have none"
                )
            if self.label_files:
                self._labels_beside(path, n_rows)
            boundaries = np.arange(0, n_rows, stored)
            for start, stop in split_entries(n_rows, boundaries, _TARGET, _TARGET + _TARGET // 2):
                yield Chunk(path, start, stop)

    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks, about 2000 rows each, in the order of the files.

        Raises
        ------
        InputError
            A file is missing, truncated, no HDF5, empty or of another layout; label files do not fit.
        """
        return limit_chunks(self._file_chunks(), self.max_events)

    def _read(self, chunk: Chunk, read: Callable[[EventTable], NDArray[np.float64]]) -> NDArray[np.float64]:
        with _open_table(chunk.file) as table:
            if chunk.stop > table.n_rows:
                raise InputError(
                    f"{chunk.file}: has {table.n_rows} rows, and entry {chunk.stop - 1} was asked for"
                )
            with reading(chunk.file, f"entries [{chunk.start}, {chunk.stop})"):
                return read(table)

    def read(self, chunk: Chunk) -> Any:
        """Constituents of a chunk: n x var x {pt, eta, phi, mass}, float64, GeV and radians; massless.

        The padding (pT exactly zero) is left out; everything else is passed on as it is.

        Raises
        ------
        InputError
            The entries cannot be read.
        """
        rows = self._read(chunk, lambda table: table.read_particles(chunk.start, chunk.stop))
        pt, eta, phi = (rows[:, i::3] for i in range(3))
        keep = pt != 0
        return pack_constituents(keep.sum(axis=1), pt[keep], eta[keep], phi[keep], units=self.units)

    def read_block(self, chunk: Chunk) -> SourceBlock:
        """All events of a chunk, as :meth:`read` gives them."""
        return SourceBlock.whole(self.read(chunk), chunk)

    def _labels_beside(self, path: str, n_rows: int) -> NDArray[np.int8]:
        label_file = self.label_files[self.files.index(path)]
        with reading(label_file, "the label file"):
            mtime_ns = Path(label_file).stat().st_mtime_ns
        labels = _read_label_file(label_file, mtime_ns)
        if len(labels) != n_rows:
            raise InputError(
                f"{label_file}: has {len(labels)} labels; expected {n_rows}, one for each entry of {path}"
            )
        return labels

    def read_labels(self, chunk: Chunk) -> NDArray[np.int8]:
        """Truth labels of a chunk, shape (n,): 0 for background.

        Raises
        ------
        InputError
            There are none, they are no whole numbers, or the label file does not fit the data.
        """
        if self.label_files:
            with _open_table(chunk.file) as table:
                n_rows = table.n_rows
            return self._labels_beside(chunk.file, n_rows)[chunk.start : chunk.stop].copy()
        if not self._has_label_column():
            raise InputError(
                f"{chunk.file}: has no truth labels ({N_COLUMNS} columns); expected {N_COLUMNS + 1}, or "
                "`label_files`"
            )
        labels = self._read(chunk, lambda table: table.read_labels(chunk.start, chunk.stop))
        return as_labels(labels, chunk.file, chunk.start)

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, number of rows and SHA-256; the label files after them."""
        described = []
        for path in (*self.files, *self.label_files):
            if path in self.label_files:
                protected = False
                n_entries = len(_read_label_file(path, Path(path).stat().st_mtime_ns))
            else:
                with _open_table(path) as table, reading(path, "how its data are stored"):
                    n_entries, protected = table.n_rows, table.stores_checksums()
            described.append(describe_local_file(path, n_entries, self.digest_memo, protected=protected))
        return tuple(described)
