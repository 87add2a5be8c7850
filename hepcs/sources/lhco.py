"""LHC Olympics HDF5 files: rows of 700 x (pT, eta, phi), zero padded, with or without a label.

A pandas fixed-format table (SPEC section 1): the dataset ``df/block0_values`` has 2101 columns, the last one
the label, or 2100 (black boxes), whose labels are text files with one number a line.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the Blosc filter with HDF5
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import Units
from hepcs.sources.base import Chunk, EventBlock, InputFile
from hepcs.sources.chunking import limit_chunks, split_entries
from hepcs.sources.files import describe_local_file, is_url, reading
from hepcs.sources.packing import as_labels, pack_constituents

log = logging.getLogger(__name__)

MAX_PARTICLES = 700
N_COLUMNS = 3 * MAX_PARTICLES
DATASET = "df/block0_values"
_TARGET = 2000  # rows of a chunk: 34 MB as float64


def _datasets(file: h5py.File) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = node.shape

    file.visititems(visit)
    return found


def _find_table(file: h5py.File, path: str) -> Any:
    """The table of the file; another group than ``df`` will do if there is only one."""
    if isinstance(file.get(DATASET), h5py.Dataset):
        return file[DATASET]
    found = _datasets(file)
    tables = [name for name in found if name.split("/")[-1] == "block0_values"]
    if len(tables) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in list(found.items())[:20]) or "none"
        raise InputError(
            f"{path}: there is no dataset `{DATASET}`; expected the pandas table of an LHC Olympics file, "
            f"found: {listed}"
        )
    return file[tables[0]]


def _require_layout(table: Any, path: str) -> None:
    if table.ndim != 2 or table.shape[1] not in (N_COLUMNS, N_COLUMNS + 1) or table.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: `{table.name}` has shape {table.shape} and type {table.dtype}; expected numbers in "
            f"{N_COLUMNS + 1} columns (700 x (pT, eta, phi) and the label), or {N_COLUMNS} without a label"
        )
    if table.shape[0] == 0:
        raise InputError(f"{path}: `{table.name}` has no rows; expected at least one event")
    if not table.id.get_type().equal(h5py.h5t.py_create(table.dtype)):
        raise InputError(
            f"{path}: `{table.name}` holds numbers in a form that no machine has: the file is damaged"
        )


def _require_blocks(table: Any, path: str) -> None:
    """Refuse a table whose storage blocks are not all there, in their places, and through all filters.

    The list of blocks has no checksum of its own, and HDF5 reads zeros where it has no block.
    """
    if table.chunks is None:
        return
    found: list[tuple[int, ...]] = []
    table.id.chunk_iter(lambda block: found.append((*block.chunk_offset, block.filter_mask)))
    rows, columns = (range(0, length, step) for length, step in zip(table.shape, table.chunks, strict=True))
    if sorted(found) != [(row, column, 0) for row in rows for column in columns]:
        raise InputError(
            f"{path}: of {len(rows) * len(columns)} storage blocks of `{table.name}` some are missing or not in "
            "their place: the file is damaged, or was not written to its end"
        )


def _require_stored(table: Any, values: NDArray[np.float64], start: int) -> None:
    """Raise an error of HDF5 if a storage block that is read as zeros, row `start` first, is not really there."""
    if table.chunks is None:
        return
    rows, columns = table.chunks
    for row in range(start - start % rows, start + len(values), rows):
        for column in range(0, values.shape[1], columns):
            if not values[max(row - start, 0) : row + rows - start, column : column + columns].any():
                table.id.read_direct_chunk((row, column))


def _stores_checksums(table: Any, path: str) -> bool:
    """Whether HDF5 sees a changed bit of the data: by Fletcher-32, or the Adler-32 that is part of gzip."""
    with reading(path, "how its data are stored"):
        properties = table.id.get_create_plist()
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    return bool(filters & {h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_DEFLATE})


@contextmanager
def _open_table(path: str) -> Iterator[Any]:
    """The validated table of a file, open."""
    if is_url(path):
        raise InputError(
            f"{path}: LHC Olympics files are read from local disk; download it, or convert it to ROOT"
        )
    with reading(path, "it as HDF5"):
        # not every network file system can lock
        file = h5py.File(path, "r", locking="best-effort")
    with file:
        with reading(path, "its datasets"):
            table = _find_table(file, path)
            _require_layout(table, path)
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
        Local paths; all with labels, or all without.
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

    def _has_label_column(self) -> bool:
        with _open_table(self.files[0]) as table:
            return bool(table.shape[1] == N_COLUMNS + 1)

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
                n_rows, n_columns = table.shape
                stored = table.chunks[0] if table.chunks else 1
                with reading(path, "the list of its storage blocks"):
                    _require_blocks(table, path)
            if (n_columns == N_COLUMNS + 1) != labelled:
                raise InputError(
                    f"{path}: has {n_columns} columns, and {self.files[0]} has {N_COLUMNS + labelled}; expected "
                    "files that all have labels, or all have none"
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

    def _read_columns(self, chunk: Chunk, columns: slice) -> NDArray[np.float64]:
        with _open_table(chunk.file) as table:
            if chunk.stop > table.shape[0]:
                raise InputError(
                    f"{chunk.file}: has {table.shape[0]} rows, and entry {chunk.stop - 1} was asked for"
                )
            with reading(chunk.file, f"entries [{chunk.start}, {chunk.stop})"):
                values = np.asarray(table[chunk.start : chunk.stop, columns], dtype=np.float64)
                if columns.start == 0:
                    _require_stored(table, values, chunk.start)
                return values

    def read(self, chunk: Chunk) -> Any:
        """Constituents of a chunk: n x var x {pt, eta, phi, mass}, float64, GeV and radians; massless.

        The padding (pT exactly zero) is left out; everything else is passed on as it is.

        Raises
        ------
        InputError
            The entries cannot be read.
        """
        rows = self._read_columns(chunk, slice(0, N_COLUMNS))
        pt, eta, phi = (rows[:, i::3] for i in range(3))
        keep = pt != 0
        return pack_constituents(keep.sum(axis=1), pt[keep], eta[keep], phi[keep], units=self.units)

    def read_block(self, chunk: Chunk) -> EventBlock:
        """All events of a chunk, as :meth:`read` gives them."""
        return EventBlock(self.read(chunk), np.arange(chunk.start, chunk.stop))

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
                n_rows = table.shape[0]
            return self._labels_beside(chunk.file, n_rows)[chunk.start : chunk.stop].copy()
        if not self._has_label_column():
            raise InputError(
                f"{chunk.file}: has no truth labels ({N_COLUMNS} columns); expected {N_COLUMNS + 1}, or "
                "`label_files`"
            )
        return as_labels(self._read_columns(chunk, slice(N_COLUMNS, None))[:, 0], chunk.file, chunk.start)

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, number of rows and SHA-256; the label files after them."""
        described = []
        for path in (*self.files, *self.label_files):
            if path in self.label_files:
                protected = False
                n_entries = len(_read_label_file(path, Path(path).stat().st_mtime_ns))
            else:
                with _open_table(path) as table:
                    n_entries, protected = table.shape[0], _stores_checksums(table, path)
            described.append(describe_local_file(path, n_entries, self.digest_memo, protected=protected))
        return tuple(described)
