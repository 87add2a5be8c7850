"""Splitting files into chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepcs.sources.base import Chunk
from hepcs.sources.chunking import limit_chunks, split_entries


@pytest.mark.parametrize(
    ("n", "boundaries", "expected"),
    [
        (25, [], [(0, 25)]),
        (35, [], [(0, 20), (20, 35)]),
        (25, [0, 25], [(0, 25)]),  # one block within reach is not cut
        (100, [0, 100], [(0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]),
        (60, [0, 7, 14, 21, 28, 35, 42, 49, 56], [(0, 21), (21, 42), (42, 60)]),
        (0, [0], []),
        (3, [0, 1, 2], [(0, 3)]),
    ],
)
def test_ranges_end_at_blocks_within_reach(n, boundaries, expected) -> None:
    assert split_entries(n, boundaries, target=20, most=30) == expected


@given(
    n=st.integers(0, 500),
    boundaries=st.lists(st.integers(0, 500), max_size=30),
    target=st.integers(1, 60),
    more=st.integers(0, 30),
)
def test_every_entry_once_and_none_too_large(n, boundaries, target, more) -> None:
    ranges = split_entries(n, sorted(b for b in boundaries if b <= n), target, target + more)
    entries = [i for start, stop in ranges for i in range(start, stop)]
    assert entries == list(range(n))
    assert all(1 <= stop - start <= target + more for start, stop in ranges)


def test_limit_takes_the_first_entries_and_asks_for_no_more() -> None:
    def chunks():
        yield Chunk("a", 0, 10)
        yield Chunk("b", 0, 10)
        raise AssertionError("asked for a chunk that is not needed")

    assert limit_chunks(chunks(), 13) == (Chunk("a", 0, 10), Chunk("b", 0, 3))
    assert limit_chunks(chunks(), 20) == (Chunk("a", 0, 10), Chunk("b", 0, 10))
    assert limit_chunks([Chunk("a", 0, 10)], None) == (Chunk("a", 0, 10),)
    assert limit_chunks([Chunk("a", 0, 10)], 99) == (Chunk("a", 0, 10),)
