"""The same event more than once."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.jets.repetition import event_keys, find_repeated


def test_events_within_and_between_samples_are_found() -> None:
    rng = np.random.default_rng(1)
    m_jj, masses = rng.uniform(3000, 4600, 500), rng.uniform(50, 500, (500, 2))
    merged = np.r_[0:300, 0:100]
    first, second, third = (
        event_keys(m_jj[rows], masses[rows]) for rows in (slice(200), slice(200, None), merged)
    )
    # a merged file with 100 events twice, beside its parts, which hold 200 and 100 of its 300
    assert [int(find_repeated(keys).sum()) for keys in (first, second, third)] == [0, 0, 100]
    shared = [np.intersect1d(*pair).size for pair in ((first, second), (first, third), (second, third))]
    assert shared == [0, 200, 100]
    assert find_repeated(third).nonzero()[0].tolist() == [*range(300, 400)], "the first of each is none"


def test_equal_mass_of_the_pair_is_not_the_same_event() -> None:
    m_jj = np.full(3, 3500.0)
    masses = np.array([[100.0, 200.0], [100.0, 200.5], [200.0, 100.0]])
    assert not find_repeated(event_keys(m_jj, masses)).any()


def test_no_events_and_columns_that_do_not_fit() -> None:
    assert find_repeated(event_keys(np.empty(0), np.empty((0, 2)))).tolist() == []
    with pytest.raises(ArgumentError, match=r"masses of shape \(3,\)"):
        event_keys(np.zeros(3), np.zeros(3))
