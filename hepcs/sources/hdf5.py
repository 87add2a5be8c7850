"""HDF5 files: opened on disks without locks too, and refused where storage blocks are missing."""

from __future__ import annotations

import logging
from itertools import product
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the Blosc filter with HDF5

from hepcs._core.errors import InputError
from hepcs.sources.failures import lacks_locks

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
