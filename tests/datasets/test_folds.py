"""Folds by the event."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.datasets.folds import assign_folds


def test_copies_of_an_event_share_its_fold() -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 200, size=1000)  # a bootstrap, written out
    folds = assign_folds(rows, 5, rng)
    for event in np.unique(rows):
        assert np.unique(folds[rows == event]).size == 1
    # Folds by the row would not pass: nearly every event of five copies is in several of them.
    by_row = rng.integers(0, 5, size=rows.size)
    assert any(np.unique(by_row[rows == event]).size > 1 for event in np.unique(rows))


def test_a_model_is_never_asked_about_an_event_that_it_has_seen() -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 50, size=500)
    folds = assign_folds(rows, 4, rng)
    for fold in range(4):
        assert not set(rows[folds != fold]) & set(rows[folds == fold])


@pytest.mark.parametrize(("n_events", "n_folds"), [(10, 2), (103, 5), (7, 7)])
def test_folds_are_balanced_and_random(n_events: int, n_folds: int) -> None:
    ids = 17 * np.arange(n_events) - 40
    folds = assign_folds(ids, n_folds, np.random.default_rng(3))
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.sum() == n_events
    assert not np.array_equal(folds, assign_folds(ids, n_folds, np.random.default_rng(4)))
    assert np.array_equal(folds, assign_folds(ids, n_folds, np.random.default_rng(3)))


def test_the_order_of_rows_and_their_copies_change_nothing() -> None:
    ids = np.arange(60)
    folds = assign_folds(ids, 5, np.random.default_rng(5))
    shuffled = np.random.default_rng(6).permutation(np.repeat(ids, 3))
    assert np.array_equal(assign_folds(shuffled, 5, np.random.default_rng(5)), folds[shuffled])


def test_what_cannot_be_folded_is_refused() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(ArgumentError, match="4 folds cannot be made of 3 distinct events"):
        assign_folds([1, 1, 2, 2, 3], 4, rng)
    with pytest.raises(ArgumentError, match="at least 2 folds, found 1"):
        assign_folds([1, 2, 3], 1, rng)
    with pytest.raises(ArgumentError, match="integers of shape"):
        assign_folds([1.0, 2.0, 3.0], 2, rng)
    with pytest.raises(ArgumentError, match="integers of shape"):
        assign_folds([[1, 2], [3, 4]], 2, rng)
