"""Splitting files into chunks of bounded size, along the blocks in which they are stored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from hepcs.sources.base import Chunk


def split_entries(n_entries: int, boundaries: ArrayLike, target: int, most: int) -> list[tuple[int, int]]:
    """Split ``[0, n_entries)`` into ranges, at storage boundaries where there are any within reach.

    A block that is cut has to be decompressed once for each of its parts, so ranges end at boundaries as long
    as that keeps them at or below `most` entries.

    Parameters
    ----------
    n_entries : int
        Number of entries of the file.
    boundaries : array_like of int
        Entries at which a storage block (basket, cluster, row group) begins; sorted.
    target, most : int
        Wanted and greatest number of entries in a range; ``1 <= target <= most``.

    Returns
    -------
    list of (int, int)
        Ranges ``[start, stop)`` that cover every entry once, in order.
    """
    edges = np.unique(np.append(np.asarray(boundaries, dtype=np.int64), n_entries))
    ranges = []
    start = 0
    while start < n_entries:
        low, high = np.searchsorted(edges, (start, min(start + most, n_entries)), side="right")
        within = edges[low:high]
        wanted = min(start + target, n_entries)
        stop = int(within[np.argmin(np.abs(within - wanted))]) if len(within) else wanted
        ranges.append((start, stop))
        start = stop
    return ranges


def limit_chunks(chunks: Iterable[Chunk], max_events: int | None) -> tuple[Chunk, ...]:
    """The first `max_events` entries of a sequence of chunks (all of them if None).

    Stops asking for chunks when it has enough, so that files behind them need not be opened.
    """
    if max_events is None:
        return tuple(chunks)
    kept: list[Chunk] = []
    left = max_events
    for chunk in chunks:
        kept.append(Chunk(chunk.file, chunk.start, min(chunk.stop, chunk.start + left)))
        left -= kept[-1].n_entries
        if left == 0:
            break
    return tuple(kept)
