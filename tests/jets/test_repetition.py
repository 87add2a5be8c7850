"""The same event more than once."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.jets.repetition import count_repeated


def test_events_within_and_between_samples_are_counted() -> None:
    rng = np.random.default_rng(1)
    m_jj, masses = rng.uniform(3000, 4600, 500), rng.uniform(50, 500, (500, 2))
    merged = np.r_[0:300, 0:100]
    parts = [(m_jj[:200], masses[:200]), (m_jj[200:], masses[200:]), (m_jj[merged], masses[merged])]
    # a merged file with 100 events twice, beside its parts, which hold 200 and 100 of its 300
    assert count_repeated(parts).tolist() == [[0, 0, 0], [0, 0, 0], [200, 100, 100]]


def test_equal_mass_of_the_pair_is_not_the_same_event() -> None:
    m_jj = np.full(3, 3500.0)
    masses = np.array([[100.0, 200.0], [100.0, 200.5], [200.0, 100.0]])
    assert count_repeated([(m_jj, masses)]).tolist() == [[0]]


def test_no_events_and_columns_that_do_not_fit() -> None:
    assert count_repeated([(np.empty(0), np.empty((0, 2)))]).tolist() == [[0]]
    with pytest.raises(ArgumentError, match=r"masses of shape \(3,\)"):
        count_repeated([(np.zeros(3), np.zeros(3))])
