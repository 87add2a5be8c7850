"""Writing the LHC Olympics HDF5 layout, as pandas writes its fixed format."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
from numpy.typing import NDArray

from hepcs.sources.lhco_tables import DATASET, MAX_PARTICLES, N_COLUMNS
from hepcs.sources.writer import EventWriter

log = logging.getLogger(__name__)

_ROWS_PER_WRITE = 2016  # rows of the padded table held at once, 34 MB; a multiple of its chunks
_ROWS_PER_HDF5_CHUNK = 7  # as in the published file


class LhcoWriter(EventWriter):
    """The LHC Olympics layout: ``df/block0_values``, 700 x (pT, eta, phi) zero padded, then the label (if any).

    Float64 and Blosc-compressed as the published file (with gzip, where hdf5plugin is not installed), with the
    attributes by which ``pandas.read_hdf`` knows it.
    Of an event with more than 700 particles the 700 hardest are kept, in their order; masses are not part of the
    layout. The losses are counted (`n_dropped` particles of `n_truncated` events, masses of `n_massive` particles)
    and logged.
    """

    _table: Any = None
    _check_disk: Callable[[], None]

    def __init__(self, destination: Path) -> None:
        super().__init__(destination, mass=True)  # masses are counted, never refused
        self.n_truncated = 0
        self.n_dropped = 0
        self.n_massive = 0

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        if self._table is None:
            file, self._check_disk = self._open_files.enter_context(_hdf5_file(self._temporary))
            n_columns = N_COLUMNS + (labels is not None)
            self._table = file.create_dataset(
                DATASET,
                shape=(0, n_columns),
                maxshape=(None, n_columns),
                chunks=(_ROWS_PER_HDF5_CHUNK, n_columns),
                dtype=np.float64,
                fletcher32=True,  # Blosc has no checksum
                **_compression(),
            )
        self.n_massive += int(ak.sum(events["mass"] != 0, axis=None))
        for start in range(0, len(events), _ROWS_PER_WRITE):
            part = slice(start, start + _ROWS_PER_WRITE)
            rows = np.zeros((len(events[part]), self._table.shape[1]))
            padded = ak.pad_none(self._hardest(events[part]), MAX_PARTICLES, clip=True)
            for i, name in enumerate(("pt", "eta", "phi")):
                rows[:, i:N_COLUMNS:3] = np.ma.filled(ak.to_numpy(padded[name]), 0.0)
            if labels is not None:
                rows[:, N_COLUMNS] = labels[part]
            n_before = self._table.shape[0]
            self._table.resize(n_before + len(rows), axis=0)
            self._table[n_before:] = rows
            self._check_disk()

    def _hardest(self, events: Any) -> Any:
        """The events with their hardest particles, as many as the layout takes, in their order."""
        surplus = ak.num(events) - MAX_PARTICLES
        if not ak.any(surplus > 0):
            return events
        self.n_truncated += int(ak.sum(surplus > 0))
        self.n_dropped += int(ak.sum(surplus[surplus > 0]))
        hardest = ak.argsort(events["pt"], axis=1, ascending=False)[:, :MAX_PARTICLES]
        return events[ak.sort(hardest, axis=1)]

    def _finish(self) -> None:
        """Write index, column names and the attributes of a pandas fixed-format frame."""
        table, frame = self._table, self._table.parent
        group = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}
        kind = {"encoding": "UTF-8", "errors": "strict", "pandas_type": "frame", "pandas_version": "0.15.2"}
        axes = {"axis0": table.shape[1], "axis1": table.shape[0], "block0_items": table.shape[1]}
        _set_text(table.file, group | {"PYTABLES_FORMAT_VERSION": "2.1"})
        _set_text(frame, group | kind | {f"{name}_variety": "regular" for name in axes})
        frame.attrs.update({"nblocks": np.int64(1), "ndim": np.int64(2)})
        for name, length in axes.items():
            axis = frame.create_dataset(name, data=np.arange(length, dtype=np.int64))
            _set_text(axis, {"CLASS": "ARRAY", "TITLE": "", "VERSION": "2.4", "kind": "integer"})
            # b"N." is how PyTables says that the axis has no name.
            axis.attrs.update({"name": np.bytes_(b"N."), "transposed": np.uint8(1)})
        _set_text(table, {"CLASS": "EARRAY", "TITLE": "", "VERSION": "1.1"})
        table.attrs.update({"EXTDIM": np.int32(0), "transposed": np.uint8(1)})
        super()._finish()
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


def _compression() -> Any:
    """Options of a dataset: Blosc, as the published file has it, or what HDF5 itself brings."""
    try:
        import hdf5plugin
    except ImportError:
        log.info("hdf5plugin is not installed: the table is compressed with gzip rather than Blosc")
        return {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    return hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.SHUFFLE)


@contextmanager
def _hdf5_file(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """A new HDF5 file, and what raises the first OSError of writing it; at its end, that is raised anyway."""
    with _Disk(path, "w+") as disk:
        with h5py.File(disk, "w") as file:
            yield file, disk.check
        disk.check()


class _Disk(io.FileIO):
    """A file for the HDF5 library, which never fails to be written: its first error waits in `check`.

    The library cannot close a file of which it could not write a part: it ends the process with a segmentation
    fault at the latest when that exits. What it writes after an error is thrown away, as the file will be.
    """

    _error: OSError | None = None

    def check(self) -> None:
        """Raise the error, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write at the present place, or pretend to."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self._error is None:
                left = left[super().write(left) :]
        except OSError as error:
            self._error = error
        self.seek(len(left), os.SEEK_CUR)
        return size

    def truncate(self, size: int | None = None) -> int:
        """Set the length, or pretend to."""
        try:
            return super().truncate(size) if self._error is None else 0
        except OSError as error:
            self._error = error
            return 0


def _set_text(node: Any, attributes: dict[str, str]) -> None:
    """Attributes as PyTables writes them: UTF-8 of fixed length, an empty text as a null string."""
    for name, text in attributes.items():
        if text:
            node.attrs.create(name, text.encode(), dtype=h5py.string_dtype("utf-8", len(text.encode())))
        else:
            node.attrs[name] = h5py.Empty("S1")
