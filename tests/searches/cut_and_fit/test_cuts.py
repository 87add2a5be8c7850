"""Cuts on scores, fold by fold."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.cuts import keep_highest, kept_spectra


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_each_fold_keeps_its_share_of_highest_scores(rng: np.random.Generator) -> None:
    n, shares = 3000, (0.1, 0.01)
    folds = rng.integers(0, 5, n)
    # Scores of different folds are not comparable: a common threshold would take all from the last one.
    scores = rng.normal(size=n) + 100 * folds
    times = rng.integers(0, 4, n)
    kept = keep_highest(scores, times, folds, shares, rng)
    for mask, share in zip(kept, shares, strict=True):
        assert not mask[times == 0].any()
        for fold in range(5):
            here = (folds == fold) & (times > 0)
            assert abs(times[here & mask].sum() - share * times[here].sum()) <= 1.5
            assert scores[here & mask].min() > scores[here & ~mask].max()


def test_a_share_of_one_keeps_all(rng: np.random.Generator) -> None:
    kept = keep_highest(rng.normal(size=50), np.full(50, 3), np.zeros(50, int), [1.0], rng)
    assert kept.all()


def test_equal_scores_keep_the_share_too_and_in_no_order(rng: np.random.Generator) -> None:
    n = 10_000
    ones, folds = np.ones(n, int), np.arange(n) % 2
    kept = keep_highest(np.zeros(n), ones, folds, [0.05], rng)[0]
    assert kept.sum() == 500
    # Neither the first events nor the last ones are preferred.
    assert abs(np.flatnonzero(kept).mean() - n / 2) < 5 * n / np.sqrt(12 * 500)
    # Nor those of high multiplicity, as far as these can be taken whole.
    times = rng.integers(1, 4, n)
    taken = keep_highest(np.zeros(n), times, folds, [0.05], rng)[0]
    assert abs(times[taken].sum() - 0.05 * times.sum()) <= 3
    assert abs(times[taken].mean() - 2) < 5 * 0.8 / np.sqrt(500)


def test_the_same_generator_keeps_the_same_events() -> None:
    scores, times, folds = np.repeat(np.arange(20.0), 50), np.ones(1000, int), np.zeros(1000, int)
    once, again, other = (
        keep_highest(scores, times, folds, [0.03], np.random.default_rng(seed)) for seed in (2, 2, 3)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_spectra_count_copies() -> None:
    masks = np.array([[True, True, False, True], [False, True, False, False]])
    spectra = kept_spectra(masks, np.array([0, 2, 2, 0]), np.array([1, 5, 7, 2]), 3)
    assert spectra.tolist() == [[3, 0, 5], [0, 0, 5]]


def test_what_cannot_be_cut_is_refused(rng: np.random.Generator) -> None:
    scores, ones, folds = np.arange(4.0), np.ones(4, int), np.zeros(4, int)
    with pytest.raises(ArgumentError, match=r"in \(0, 1\]"):
        keep_highest(scores, ones, folds, [0.1, 1.5], rng)
    with pytest.raises(ArgumentError, match=r"in \(0, 1\]"):
        keep_highest(scores, ones, folds, [], rng)
    with pytest.raises(ArgumentError, match="1 of 4 scores are not finite"):
        keep_highest(np.array([0, 1, np.nan, 2]), ones, folds, [0.1], rng)
    with pytest.raises(ArgumentError, match="one shape"):
        keep_highest(scores, ones[:3], folds, [0.1], rng)
    with pytest.raises(ArgumentError, match="do not match"):
        kept_spectra(np.ones((1, 4), bool), ones[:3], ones[:3], 2)
