"""HDF5 files: opened on disks without locks too, and refused where storage blocks are missing."""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import product
from typing import Any

import h5py

from hepcs._core.errors import InputError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.sources.failures import lacks_locks

with suppress(ImportError):
    import hdf5plugin  # noqa: F401 - registers Blosc and other filters with HDF5

log = logging.getLogger(__name__)


def open_hdf5(path: str) -> h5py.File:
    """The file, locked against writers; without a lock on disks that have none, as some network file systems."""
    try:
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        if not lacks_locks(error):
            raise
        log.info("%s: the disk cannot lock files, so it is read without", path)
        return h5py.File(path, "r", locking=False)


def require_filters(dataset: h5py.Dataset, path: str) -> None:
    """Refuse a dataset that is compressed in a way that HDF5 cannot undo here.

    Raises
    ------
    MissingDependencyError
        If it is; the files of the LHC Olympics need hdf5plugin for their Blosc, gzip needs nothing.
    """
    properties = dataset.id.get_create_plist()
    for number, _, _, name in map(properties.get_filter, range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(number):
            what = name.decode(errors="replace").split(" ")[0] or f"HDF5 filter {number}"
            raise MissingDependencyError(
                "hdf5plugin (the extra hepcs[hdf5])",
                f"to read {path}, whose `{dataset.name}` is compressed with {what}",
                pip_install("hdf5plugin"),
            )


def require_blocks(dataset: Any, path: str) -> None:
    """Refuse a dataset whose storage blocks are not all there, in their places, and through all filters.

    The list of blocks has no checksum of its own, and HDF5 reads zeros where it has no block.
    """
    if dataset.chunks is None:
        return
    found: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda block: found.append((*block.chunk_offset, block.filter_mask)))
    expected = [(*place, 0) for place in product(*block_starts(dataset))]
    if sorted(found) != expected:
        raise InputError(
            f"{path}: of {len(expected)} storage blocks of `{dataset.name}` some are missing or not in their "
            "place: the file is damaged, or was not written to its end"
        )


def block_starts(dataset: Any) -> list[range]:
    """Where storage blocks begin, along each axis."""
    return [range(0, length, step) for length, step in zip(dataset.shape, dataset.chunks, strict=True)]


def has_checksum(dataset: Any) -> bool:
    """Whether HDF5 sees a changed bit of a dataset: by Fletcher-32, or the Adler-32 that is part of gzip."""
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    return bool(filters & {h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_DEFLATE})
