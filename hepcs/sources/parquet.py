"""Parquet files with list columns of constituents, or one column of lists of records, read by row group."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.config.sources import Branches, Units
from hepcs.sources.base import Chunk, InputFile, SourceBlock
from hepcs.sources.chunking import limit_chunks, split_entries
from hepcs.sources.event_weights import checked_weights, find_weights, tell_of_weights
from hepcs.sources.files import as_names, describe_local_file, is_url, reading
from hepcs.sources.packing import (
    IN_GEV,
    as_labels,
    count_weightless,
    list_nearest,
    pack_constituents,
    require_entries,
    require_same_columns,
    require_same_counts,
)

with suppress(ImportError):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

log = logging.getLogger(__name__)

_TARGET = 20_000  # rows of a chunk
_CHUNK_BYTES = 100_000_000  # of the float64 array that a chunk becomes
_BATCH = 4096  # rows decoded at once
_USUAL = Branches(pt="pt", eta="eta", phi="phi")


def require_pyarrow(purpose: str) -> None:
    """Refuse what needs pyarrow, where it is not installed; `purpose` is as in "to read a.parquet"."""
    if find_spec("pyarrow") is None:
        raise MissingDependencyError("pyarrow (the extra hepcs[parquet])", purpose, pip_install("pyarrow"))


@contextmanager
def open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    """A local Parquet file, open; MissingDependencyError without pyarrow, else InputError if it is none."""
    require_pyarrow(f"to read {path}")
    if is_url(path):
        raise InputError(f"{path}: Parquet files are read from local disk; download it first")
    with reading(path, "it as Parquet"):
        # memory-mapped and not buffered ahead, so that a large row group is not held as a whole
        file = pq.ParquetFile(path, memory_map=True, pre_buffer=False, page_checksum_verification=True)
    with file:
        yield file


def _group_edges(metadata: pq.FileMetaData) -> NDArray[np.int64]:
    """Rows at which the row groups begin, and the number of rows."""
    return np.cumsum(
        [0, *(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))], dtype=np.int64
    )


def _particles_per_row(metadata: pq.FileMetaData, column: str) -> float:
    """Average number of list items in a row, from the footer alone."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    leaf = next(i for i, path in enumerate(paths) if path.split(".")[0] == column)
    n_values = sum(metadata.row_group(i).column(leaf).num_values for i in range(metadata.num_row_groups))
    return float(n_values / metadata.num_rows)


def _stores_checksums(metadata: pq.FileMetaData, path: str) -> bool:
    """Whether the pages carry a CRC: the fourth field of a page header, in Thrift's compact protocol.

    Each of its first fields is an int32, one byte 0x15 and a variable-length number; without a CRC, a structure
    comes fourth. The first page tells, since writers give all pages one or none.
    """
    if metadata.num_rows == 0:
        return True
    with reading(path, "the header of its first page"):
        column = metadata.row_group(0).column(0)
        first = column.dictionary_page_offset or column.data_page_offset
        with Path(path).open("rb") as stream:
            stream.seek(first)
            header = stream.read(32)
    return re.match(rb"(?:\x15[\x80-\xff]*[\x00-\x7f]){4}", header, re.DOTALL) is not None


def _read_rows(file: pq.ParquetFile, columns: list[str], chunk: Chunk) -> pa.Table:
    """The rows of a chunk, decoded batch by batch."""
    edges = _group_edges(file.metadata)
    first = int(np.searchsorted(edges, chunk.start, side="right")) - 1
    last = int(np.searchsorted(edges, chunk.stop, side="left"))
    kept, position = [], int(edges[first])
    for batch in file.iter_batches(_BATCH, row_groups=list(range(first, last)), columns=columns):
        low, high = max(chunk.start - position, 0), min(chunk.stop - position, len(batch))
        if low < high:
            kept.append(batch.slice(low, high - low))
        position += len(batch)
        if position >= chunk.stop:
            break
    return pa.Table.from_batches(kept)


def _to_numpy(values: pa.Array, name: str, file: str) -> NDArray[Any]:
    if values.null_count or not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise InputError(
            f"{file}: `{name}` holds {values.type} with {values.null_count} nulls; expected numbers, no nulls"
        )
    return values.to_numpy(zero_copy_only=False)


def record_fields(kind: pa.DataType) -> list[str] | None:
    """The fields of the records in a column of lists of them; None for another column."""
    item = getattr(kind, "value_type", None)
    if item is None or not pa.types.is_struct(item):
        return None
    return [item.field(i).name for i in range(item.num_fields)]


def _lists(column: pa.ChunkedArray, name: str, file: str) -> tuple[NDArray[np.int64], pa.Array]:
    """Counts (n,) and items of a column of lists."""
    array = pa.concat_arrays(column.chunks)
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if array.null_count or not any(is_kind(array.type) for is_kind in kinds):
        raise InputError(
            f"{file}: `{name}` holds {array.type} with {array.null_count} nulls; expected lists, no nulls"
        )
    return pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64), array.flatten()


def _tell_of_weights(file: pq.ParquetFile, path: str) -> None:
    """Warn of event weights among the columns, by the first rows."""
    rows = Chunk(path, 0, min(file.metadata.num_rows, _TARGET))
    for name in find_weights(file.schema_arrow.names):
        kind = file.schema_arrow.field(name).type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            with reading(path, f"`{name}`"):
                values = _read_rows(file, [name], rows)[name].to_numpy()
            tell_of_weights(path, name, values)


def _numbers(file: pq.ParquetFile, name: str, chunk: Chunk) -> NDArray[Any]:
    """A column of one number for each event, shape (n,)."""
    with reading(chunk.file, f"rows [{chunk.start}, {chunk.stop}) of `{name}`"):
        table = _read_rows(file, [name], chunk)
    require_entries(table.num_rows, chunk.n_entries, chunk.file, chunk.start)
    return _to_numpy(pa.concat_arrays(table[name].chunks), name, chunk.file)


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files as an :class:`~hepcs.sources.base.EventSource`.

    Parameters
    ----------
    files : tuple of str
        Local paths, or one of them.
    branches : Branches
        Columns of lists, or fields of the records in `constituents`. A `mass` column beside the usual names is
        used if it is there.
    constituents : str or None
        The column of lists of records, if there is one; the only one that holds `branches.pt` if None, whatever
        its name, where no column of lists has that name.
    label : str or None
        Column of the truth label; `label` is used if it is there.
    max_events : int or None
        Read only the first so many rows of all files together.
    digest_memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.
    units : "MeV", "GeV" or "TeV"
        Units of pT and mass in the files.
    event_weight : str or None
        Column of the events' weights; each counts as one if None.
    stored_m_jj : str or None
        Column of the dijet mass that the file holds.
    """

    files: tuple[str, ...]
    branches: Branches = _USUAL
    constituents: str | None = None
    label: str | None = None
    max_events: int | None = None
    digest_memo: Path | None = field(default=None, compare=False)
    units: Units = "GeV"
    event_weight: str | None = None
    stored_m_jj: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", as_names(self.files))

    def _records(self, schema: pa.Schema) -> str | None:
        """The column of lists of records: the named one, or the only one if there are no lists of numbers."""
        if self.constituents is not None or self.branches.pt in schema.names:
            return self.constituents
        columns = [
            name
            for name in schema.names
            if self.branches.pt in (record_fields(schema.field(name).type) or ())
        ]
        return columns[0] if len(columns) == 1 else None

    def _names(self, schema: pa.Schema, path: str) -> dict[str, str]:
        """Names of pt, eta, phi, and mass and weight if any; InputError for those that are not there."""
        available = list(schema.names)
        column = self._records(schema)
        if column is not None:
            if column not in available:
                raise InputError(
                    f"{path}: has no column `{column}`; it has: {list_nearest(column, available)}"
                )
            fields = record_fields(schema.field(column).type)
            if fields is None:
                raise InputError(
                    f"{path}: `{column}` holds {schema.field(column).type}; expected a list of records"
                )
            available = fields
        branches = self.branches
        if branches == _USUAL and "mass" in available:
            branches = branches.model_copy(update={"mass": "mass"})
        names = {key: name for key, name in branches.model_dump().items() if name is not None}
        for name in names.values():
            if name not in available:
                raise InputError(f"{path}: has no column `{name}`; it has: {list_nearest(name, available)}")
        return names

    def _label(self, schema: pa.Schema, path: str) -> str | None:
        if self.label is not None and self.label not in schema.names:
            raise InputError(
                f"{path}: has no column `{self.label}`; it has: {list_nearest(self.label, schema.names)}"
            )
        return "label" if self.label is None and "label" in schema.names else self.label

    def only(self, files: Sequence[str]) -> ParquetFiles:
        """The same source of some of its files alone."""
        return replace(self, files=tuple(files))

    @property
    def has_labels(self) -> bool:
        """Whether there is a label column."""
        with open_parquet(self.files[0]) as file:
            return self._label(file.schema_arrow, self.files[0]) is not None

    def _file_chunks(self) -> Iterator[Chunk]:
        with_mass: dict[bool, str] = {}
        for path in self.files:
            with open_parquet(path) as file:
                metadata, schema = file.metadata, file.schema_arrow
                if metadata.num_rows == 0:
                    log.warning("%s: has no rows", path)
                    continue
                names = self._names(file.schema_arrow, path)
                self._label(file.schema_arrow, path)
                for name in (self.event_weight, self.stored_m_jj):
                    if name is not None and name not in schema.names:
                        raise InputError(
                            f"{path}: has no column `{name}`; it has: {list_nearest(name, schema.names)}"
                        )
                if self.event_weight is None and path == self.files[0]:
                    _tell_of_weights(file, path)
            require_same_columns(with_mass, "mass" in names, "mass", path)
            records = self._records(schema)
            particles = _particles_per_row(metadata, names["pt"] if records is None else records)
            by_memory = max(1, int(_CHUNK_BYTES / (32 * max(1.0, particles))))
            target, most = min(_TARGET, by_memory), min(_TARGET + _TARGET // 2, by_memory)
            boundaries = _group_edges(metadata)
            for start, stop in split_entries(metadata.num_rows, boundaries, target, most):
                yield Chunk(path, start, stop)

    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks: about 20,000 rows each, fewer if they are large, cut at row groups if possible.

        Raises
        ------
        InputError
            A file is missing, truncated or no Parquet, a column is not there, or no file has rows.
        """
        chunks = limit_chunks(self._file_chunks(), self.max_events)
        if not chunks:
            raise InputError(f"{', '.join(self.files[:20])}: no rows; expected at least one event")
        return chunks

    def read(self, chunk: Chunk) -> Any:
        """Constituents of a chunk: n x var x {pt, eta, phi, mass}, float64, GeV and radians.

        Entries with a pT or a weight of exactly zero are left out; without a mass column particles are massless.

        Raises
        ------
        InputError
            A column is missing, cannot be read, or does not fit the others.
        """
        return self.read_block(chunk).constituents

    def read_block(self, chunk: Chunk) -> SourceBlock:
        """Constituents of a chunk as :meth:`read` gives them, with what was left out."""
        with open_parquet(chunk.file) as file:
            names, records = self._names(file.schema_arrow, chunk.file), self._records(file.schema_arrow)
            columns = list(names.values()) if records is None else [records]
            with reading(chunk.file, f"rows [{chunk.start}, {chunk.stop})"):
                table = _read_rows(file, columns, chunk)
            require_entries(table.num_rows, chunk.n_entries, chunk.file, chunk.start)
        if records is not None:
            counts, particles = _lists(table[records], records, chunk.file)
            items = {key: (counts, pc.struct_field(particles, name)) for key, name in names.items()}
        else:
            items = {key: _lists(table[name], name, chunk.file) for key, name in names.items()}
            counts = items["pt"][0]
        for key, (other, _) in items.items():
            require_same_counts(other, counts, (names[key], names["pt"]), chunk.file, chunk.start)
        values = {key: _to_numpy(item, names[key], chunk.file) for key, (_, item) in items.items()}
        n_weightless = count_weightless(values["pt"], values.get("weight"))
        constituents = pack_constituents(counts, **values, units=self.units)
        return SourceBlock.whole(constituents, chunk, n_weightless)

    def read_labels(self, chunk: Chunk) -> NDArray[np.int8]:
        """Truth labels of a chunk, shape (n,): 0 for background.

        Raises
        ------
        InputError
            There are none, they cannot be read, or they are no whole numbers.
        """
        with open_parquet(chunk.file) as file:
            name = self._label(file.schema_arrow, chunk.file)
            if name is None:
                raise InputError(
                    f"{chunk.file}: has no truth labels; name their column with `label` in the card"
                )
            return as_labels(_numbers(file, name, chunk), chunk.file, chunk.start)

    def read_weights(self, chunk: Chunk) -> NDArray[np.float64]:
        """Event weights of all rows of a chunk, shape (n,).

        Raises
        ------
        InputError
            They cannot be read, or one is not finite.
        """
        assert self.event_weight is not None
        with open_parquet(chunk.file) as file:
            values = _numbers(file, self.event_weight, chunk)
        return checked_weights(values, self.event_weight, chunk.file, chunk.start)

    def read_stored_m_jj(self, chunk: Chunk) -> NDArray[np.float64]:
        """Dijet masses of all rows of a chunk as the file holds them, GeV, shape (n,)."""
        assert self.stored_m_jj is not None
        with open_parquet(chunk.file) as file:
            values = _numbers(file, self.stored_m_jj, chunk)
        return np.asarray(values, dtype=np.float64) * IN_GEV[self.units]

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, number of rows and SHA-256."""
        described = []
        for path in self.files:
            with open_parquet(path) as file:
                n_rows, protected = int(file.metadata.num_rows), _stores_checksums(file.metadata, path)
            described.append(describe_local_file(path, n_rows, self.digest_memo, protected=protected))
        return tuple(described)
