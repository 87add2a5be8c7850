"""Writing the LHC Olympics HDF5 layout, as pandas writes its fixed format."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from hepcs.sources.lhco import DATASET, MAX_PARTICLES, N_COLUMNS
from hepcs.sources.writer import EventWriter

log = logging.getLogger(__name__)

_ROWS_PER_WRITE = 2016  # rows of the padded table held at once, 34 MB; a multiple of its chunks
_ROWS_PER_HDF5_CHUNK = 7  # as in the published file


class LhcoWriter(EventWriter):
    """The LHC Olympics layout: ``df/block0_values``, 700 x (pT, eta, phi) zero padded, then the label (if any).

    Float64 and Blosc-compressed as the published file, with the attributes by which ``pandas.read_hdf`` knows it.
    Of an event with more than 700 particles the 700 hardest are kept, in their order; masses are not part of the
    layout. The losses are counted (`n_dropped` particles of `n_truncated` events, masses of `n_massive` particles)
    and logged.
    """

    block_entries = _ROWS_PER_WRITE

    def __init__(self, destination: Path) -> None:
        super().__init__(destination, mass=True)  # masses are counted, never refused
        self.n_truncated = 0
        self.n_dropped = 0
        self.n_massive = 0
        self._disk: Any = None
        self._file: Any = None
        self._table: Any = None

    def _open(self) -> None:
        self._disk = _Disk(self._temporary)
        self._file = h5py.File(self._disk, "w")

    def _make_table(self) -> Any:
        n_columns = N_COLUMNS + bool(self._labelled)
        return self._file.create_dataset(
            DATASET,
            shape=(0, n_columns),
            maxshape=(None, n_columns),
            chunks=(_ROWS_PER_HDF5_CHUNK, n_columns),
            dtype=np.float64,
            fletcher32=True,  # Blosc has no checksum
            **hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.SHUFFLE),
        )

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        for start in range(0, len(events), _ROWS_PER_WRITE):
            part = slice(start, start + _ROWS_PER_WRITE)
            self._append_rows(events[part], None if labels is None else labels[part])
            self._disk.check()

    def _append_rows(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        if self._table is None:
            self._table = self._make_table()
        self.n_massive += int(ak.sum(events["mass"] != 0, axis=None))
        too_many = ak.num(events) > MAX_PARTICLES
        if ak.any(too_many):
            self.n_truncated += int(ak.sum(too_many))
            self.n_dropped += int(ak.sum(ak.num(events)[too_many] - MAX_PARTICLES))
            hardest = ak.argsort(events["pt"], axis=1, ascending=False)[:, :MAX_PARTICLES]
            events = events[ak.sort(hardest, axis=1)]
        counts = ak.to_numpy(ak.num(events))
        row = np.repeat(np.arange(len(events)), counts)
        column = 3 * (np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts))
        table = np.zeros((len(events), self._table.shape[1]))
        for i, name in enumerate(("pt", "eta", "phi")):
            table[row, column + i] = ak.to_numpy(ak.flatten(events[name]))
        if labels is not None:
            table[:, N_COLUMNS] = labels
        n_before = self._table.shape[0]
        self._table.resize(n_before + len(table), axis=0)
        self._table[n_before:] = table

    def _describe_for_pandas(self) -> None:
        """Index, column names and the attributes of a pandas fixed-format frame."""
        file, table = self._file, self._table
        n_rows, n_columns = table.shape
        group_attributes = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}
        _set_text(file, {**group_attributes, "PYTABLES_FORMAT_VERSION": "2.1"})
        _set_text(file["df"], {**group_attributes, "encoding": "UTF-8", "errors": "strict"})
        _set_text(file["df"], {"pandas_type": "frame", "pandas_version": "0.15.2"})
        _set_text(file["df"], {f"{name}_variety": "regular" for name in ("axis0", "axis1", "block0_items")})
        file["df"].attrs.update({"nblocks": np.int64(1), "ndim": np.int64(2)})
        for name, length in (("axis0", n_columns), ("axis1", n_rows), ("block0_items", n_columns)):
            axis = file["df"].create_dataset(name, data=np.arange(length, dtype=np.int64))
            _set_text(axis, {"CLASS": "ARRAY", "TITLE": "", "VERSION": "2.4", "kind": "integer"})
            axis.attrs["name"] = np.bytes_(b"N.")  # how PyTables says that the axis has no name
            axis.attrs["transposed"] = np.uint8(1)
        _set_text(table, {"CLASS": "EARRAY", "TITLE": "", "VERSION": "1.1"})
        table.attrs["EXTDIM"] = np.int32(0)
        table.attrs["transposed"] = np.uint8(1)

    def _close(self, complete: bool) -> None:
        if self._file is None:
            return
        if complete:
            if self._table is None:
                self._table = self._make_table()
            self._describe_for_pandas()
        self._file.close()
        self._disk.close()
        if complete:
            self._disk.check()
        if self.n_truncated:
            log.warning(
                "%s: %d events had more than %d particles, and keep the hardest; %d particles are left out",
                self.destination,
                self.n_truncated,
                MAX_PARTICLES,
                self.n_dropped,
            )
        if self.n_massive:
            log.warning(
                "%s: %d particles lose their mass, the layout has none", self.destination, self.n_massive
            )


class _Disk:
    """A file for the HDF5 library, which never fails to be written.

    The library cannot close a file of which it could not write a part: it ends the process with a segmentation
    fault at the latest when that exits. So what the disk refuses is kept in memory until the library has closed
    the file, and the writer raises the error.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._kept: list[tuple[int, bytes]] = []
        self._error: OSError | None = None
        self.seek, self.tell = self._file.seek, self._file.tell

    def check(self) -> None:
        """Raise the OSError of the first part that could not be written."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write at the present place; what is refused is kept."""
        start, left = self._file.tell(), memoryview(data).cast("B")
        size = len(left)
        if self._error is None:
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self._error = error
        if left:
            self._kept.append((start + size - len(left), bytes(left)))
            self._file.seek(start + size)
        return size

    def readinto(self, buffer: Any) -> int:
        """Read from the present place, with what is kept; beyond the end there are zeros."""
        start, view = self._file.tell(), memoryview(buffer).cast("B")
        stop = start + len(view)
        found = self._file.read(len(view))
        view[:] = found + bytes(len(view) - len(found))
        for place, data in self._kept:
            low, high = max(start, place), min(stop, place + len(data))
            if low < high:
                view[low - start : high - start] = data[low - place : high - place]
        self._file.seek(stop)
        return len(view)

    def read(self, size: int) -> bytes:
        """As :meth:`readinto`."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def truncate(self, size: int) -> int:
        """Set the length of the file."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Close the file; an error of that is one of writing."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error


def _set_text(node: Any, attributes: dict[str, str]) -> None:
    """Attributes as PyTables writes them: UTF-8 of fixed length, an empty text as a null string."""
    for name, text in attributes.items():
        if text:
            node.attrs.create(name, text.encode(), dtype=h5py.string_dtype("utf-8", len(text.encode())))
        else:
            node.attrs[name] = h5py.Empty("S1")
