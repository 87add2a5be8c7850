"""Where an HDF5 file holds the events of the LHC Olympics: 700 x (pT, eta, phi), zero padded, and their labels.

The published files are pandas fixed-format frames, ``df/block0_values`` with 2101 columns (SPEC section 1). Users
bring the same columns in other ways, which are found here:

- another group, or any other name, where it is the only dataset of such a shape;
- pandas' table format, ``df/table``: records with a field ``values_block_0``;
- labels in a block of their own, where pandas was given whole numbers beside floating-point columns;
- three axes, (events, 700, 3), without labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.sources.hdf5 import block_starts, has_checksum, require_blocks, require_filters

MAX_PARTICLES = 700
N_COLUMNS = 3 * MAX_PARTICLES
DATASET = "df/block0_values"
_WIDTHS = (N_COLUMNS, N_COLUMNS + 1)
_EXPECTED = (
    f"expected numbers in {N_COLUMNS + 1} columns (700 x (pT, eta, phi) and the label), "
    f"or {N_COLUMNS} without a label"
)
_LISTED = 20


@dataclass(frozen=True)
class TableBlock:
    """Columns of numbers: a dataset, or a field of its records.

    Attributes
    ----------
    dataset
        The open dataset of h5py.
    field
        The field of its records; None where it holds numbers.
    """

    dataset: Any
    field: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return self.dataset.dtype.base if self.field is None else self.dataset.dtype[self.field].base

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the axes of each."""
        inner = () if self.field is None else self.dataset.dtype[self.field].shape
        return (*self.dataset.shape, *inner)

    @property
    def width(self) -> int | None:
        """Number of columns of the layout; None if it is no block of them."""
        shape = self.shape
        if self.dtype.kind not in "fiu":
            return None
        if len(shape) == 2:
            return shape[1]
        return N_COLUMNS if shape[1:] == (MAX_PARTICLES, 3) else None

    def read(self, start: int, stop: int, columns: slice) -> NDArray[np.float64]:
        """Rows [start, stop) of some columns, shape (n, columns)."""
        if self.field is not None:
            rows = self.dataset.fields(self.field)[start:stop]
        elif len(self.shape) == 2:
            return np.asarray(self.dataset[start:stop, columns], dtype=np.float64)
        else:
            rows = self.dataset[start:stop]
        return np.asarray(rows, dtype=np.float64).reshape(stop - start, -1)[:, columns]


@dataclass(frozen=True)
class EventTable:
    """The events of an open file.

    Attributes
    ----------
    particles
        Block of 2100 columns, or 2101 with the labels as the last one.
    labels
        Block of the labels alone, one column; None if there is none.
    """

    particles: TableBlock
    labels: TableBlock | None

    @property
    def name(self) -> str:
        """Name of the dataset in the file."""
        return str(self.particles.dataset.name)

    @property
    def n_rows(self) -> int:
        """Number of events."""
        return int(self.particles.shape[0])

    @property
    def has_labels(self) -> bool:
        """Whether there are truth labels."""
        return self.labels is not None or self.particles.width == N_COLUMNS + 1

    @property
    def stored_rows(self) -> int:
        """Rows of a storage block."""
        chunks = self.particles.dataset.chunks
        return int(chunks[0]) if chunks else 1

    def read_particles(self, start: int, stop: int) -> NDArray[np.float64]:
        """Particles of rows [start, stop), shape (n, 2100); an error of HDF5 if they are not all there."""
        values = self.particles.read(start, stop, slice(0, N_COLUMNS))
        _require_stored(self.particles.dataset, values, start)
        return values

    def read_labels(self, start: int, stop: int) -> NDArray[np.float64]:
        """Labels of rows [start, stop), shape (n,), of a table that has them."""
        if self.labels is not None:
            return self.labels.read(start, stop, slice(0, 1))[:, 0]
        return self.particles.read(start, stop, slice(N_COLUMNS, None))[:, 0]

    def stores_checksums(self) -> bool:
        """Whether HDF5 sees a changed bit of the data: by Fletcher-32, or the Adler-32 that is part of gzip."""
        return all(
            has_checksum(block.dataset) for block in (self.particles, self.labels) if block is not None
        )

    def require_blocks(self, path: str) -> None:
        """Refuse datasets whose storage blocks are not all there, in their places, and through all filters."""
        for block in (self.particles, self.labels):
            if block is not None:
                require_blocks(block.dataset, path)


def find_table(file: h5py.File, path: str) -> EventTable:
    """The events of a file.

    Parameters
    ----------
    file : h5py.File
        The open file.
    path : str
        Its name, for messages.

    Raises
    ------
    InputError
        There is no such table, or more than one, or its columns are in another order; the text lists the datasets.
    MissingDependencyError
        It is compressed in a way that needs hdf5plugin, which is not installed.
    """
    usual = file.get(DATASET)
    found = [TableBlock(usual)] if isinstance(usual, h5py.Dataset) else []
    if not found or found[0].width not in _WIDTHS:
        candidates = [block for block in _blocks(file) if block.width in _WIDTHS]
        if len(candidates) != 1:
            raise InputError(f"{path}: {_not_found(file, found, candidates)}")
        found = candidates
    particles = found[0]
    require_filters(particles.dataset, path)
    _require_sound(particles, path)
    table = EventTable(particles, None if particles.width == N_COLUMNS + 1 else _labels_beside(particles))
    if table.labels is not None:
        require_filters(table.labels.dataset, path)
        _require_sound(table.labels, path)
    _require_order(particles, path)
    return table


def _blocks(file: h5py.File) -> Iterator[TableBlock]:
    """All datasets of a file, and of those of records each field."""
    datasets: list[h5py.Dataset] = []
    file.visititems(lambda _, node: datasets.append(node) if isinstance(node, h5py.Dataset) else None)
    for dataset in datasets:
        for field in dataset.dtype.names or (None,):
            yield TableBlock(dataset, field)


def _not_found(file: h5py.File, usual: list[TableBlock], candidates: list[TableBlock]) -> str:
    if usual and not candidates:
        block = usual[0]
        return f"`{block.dataset.name}` has shape {block.shape} and type {block.dtype}; {_EXPECTED}{_hint(usual)}"
    blocks = list(_blocks(file))
    listed = ", ".join(_described(block) for block in (candidates or blocks)[:_LISTED]) or "none"
    if candidates:
        return f"several datasets hold events; expected one, `{DATASET}` or another, found: {listed}"
    return (
        f"there is no dataset `{DATASET}`, nor another one with the columns of an LHC Olympics file; {_EXPECTED}; "
        f"found: {listed}{_hint(blocks)}"
    )


def _hint(blocks: Sequence[TableBlock]) -> str:
    exchanged = any(len(block.shape) == 2 and block.shape[0] in _WIDTHS for block in blocks)
    return ". Rows and columns are exchanged: store the transpose" if exchanged else ""


def _described(block: TableBlock) -> str:
    name = block.dataset.name.strip("/")
    return f"{name if block.field is None else f'{name}[{block.field}]'} {block.shape}"


def _labels_beside(particles: TableBlock) -> TableBlock | None:
    """Labels that pandas put into a block of their own, since they are whole numbers."""
    dataset, n_rows = particles.dataset, particles.shape[0]
    if particles.field is not None:
        beside = [
            TableBlock(dataset, field) for field in dataset.dtype.names if field.startswith("values_block_")
        ]
    else:
        if re.fullmatch(r"block\d+_values", dataset.name.split("/")[-1]) is None:
            return None
        group = dataset.parent
        beside = [TableBlock(group[name]) for name in group if re.fullmatch(r"block\d+_values", name)]
    one_column = [block for block in beside if block.shape == (n_rows, 1) and block.dtype.kind in "iufb"]
    return one_column[0] if len(one_column) == 1 else None


def _require_sound(block: TableBlock, path: str) -> None:
    dataset = block.dataset
    if block.shape[0] == 0:
        raise InputError(f"{path}: `{dataset.name}` has no rows; expected at least one event")
    if not dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype)):
        raise InputError(
            f"{path}: `{dataset.name}` holds numbers in a form that no machine has: the file is damaged"
        )


def _require_order(particles: TableBlock, path: str) -> None:
    """Refuse a frame of pandas whose columns are numbered, and not in order."""
    numbers = _column_numbers(particles)
    if numbers is not None and not np.array_equal(numbers, np.arange(particles.width or 0)):
        wrong = int(np.flatnonzero(numbers != np.arange(len(numbers)))[0])
        raise InputError(
            f"{path}: `{particles.dataset.name}` holds column {numbers[wrong]} at place {wrong}; expected "
            "columns 0, 1, 2, ... in order: pT, eta and phi of one particle after another. Sort the columns"
        )


def _column_numbers(particles: TableBlock) -> NDArray[np.int64] | None:
    """The numbers by which pandas names the columns of a block; None if they have other names, or none."""
    dataset = particles.dataset
    if particles.field is None:
        items = dataset.parent.get(dataset.name.split("/")[-1].replace("_values", "_items"))
        is_numbered = isinstance(items, h5py.Dataset) and items != dataset and items.dtype.kind in "iu"
        numbers = np.asarray(items, dtype=np.int64) if is_numbered else np.empty(0, dtype=np.int64)
    else:
        # A pickled list, of which only the numbers are looked for: it is not loaded.
        stored = bytes(dataset.attrs.get(f"{particles.field}_kind", b""))
        numbers = np.array([int(number) for number in re.findall(rb"I(\d+)\n", stored)], dtype=np.int64)
    return numbers if numbers.shape == (particles.width,) else None


def _require_stored(dataset: Any, values: NDArray[np.float64], start: int) -> None:
    """Raise an error of HDF5 if a storage block that is read as zeros, row `start` first, is not really there."""
    if dataset.chunks is None:
        return
    rows = dataset.chunks[0]
    # Of two axes, blocks are asked for one by one; of others, all blocks of rows that are all zero.
    columns = dataset.chunks[1] if dataset.ndim == 2 else values.shape[1]
    others = [range(0, values.shape[1], columns)] if dataset.ndim == 2 else block_starts(dataset)[1:]
    for row in range(start - start % rows, start + len(values), rows):
        for place in product(*others):
            first = place[0] if dataset.ndim == 2 else 0
            if not values[max(row - start, 0) : row + rows - start, first : first + columns].any():
                dataset.id.read_direct_chunk((row, *place))
