"""Decorrelation of a score from m_jj: thresholds that follow it, and training weights that flatten it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats
from toy_views import CURVE, SIGNAL_WINDOW, drawn, inputs_of, observed, pools_of, search_of

from hepcs._core.errors import ArgumentError
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.bias import sculpting
from hepcs.searches.cut_and_fit.decorrelation import MOST_WEIGHT, flat_scores, planing_weights
from hepcs.searches.cut_and_fit.scan import CutScan, scan_scores
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.searches.cwola import Cwola
from hepcs.searches.pca_outliers import PcaOutliers

WINDOWS = sliding_windows(16)
CUTS = (0.1, 0.02)
CENTRES = np.arange(3050.0, 4600, 100)


def correlated(n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Events whose score rises with m_jj and spreads there, with bins, multiplicities and folds."""
    bins = rng.choice(16, n, p=CURVE / CURVE.sum())
    scores = rng.exponential(1 + 0.05 * bins) + 0.004 * bins**2
    return scores, bins, rng.integers(1, 3, n), rng.integers(0, 3, n)


def scan_of(scores: np.ndarray, bins: np.ndarray, times: np.ndarray, folds: np.ndarray) -> CutScan:
    rng = np.random.default_rng(0)
    return scan_scores(scores, bins, times, folds, WINDOWS, CUTS, CENTRES, rng, sqrt_s=13_000.0)


def test_a_score_that_knows_m_jj_sculpts_without_and_does_not_with_it() -> None:
    scores, bins, times, folds = correlated(60_000, np.random.default_rng(1))
    flat = flat_scores(scores[np.newaxis], bins, times, folds, WINDOWS, CUTS, np.random.default_rng(2))
    assert flat.shape == (11, 60_000)
    found = {}
    for name, one in (("as it is", scores), ("flat", flat)):
        scan = scan_of(one, bins, times, folds)
        shape = sculpting(scan.spectrum, scan.kept, WINDOWS)
        # Copies of events: the variance of a count is larger than Poisson's by <m^2> / <m>.
        found[name] = shape.chi2 / shape.ndof / (np.mean(times**2) / np.mean(times))
    assert (found["as it is"] > 5).all()
    assert (found["flat"] < 2).all()
    assert found["flat"].mean() < 1.1


def test_inside_of_the_window_the_share_is_the_same() -> None:
    """Where no event took part in the fit of the thresholds."""
    scores, bins, times, folds = correlated(100_000, np.random.default_rng(3))
    flat = flat_scores(scores[np.newaxis], bins, times, folds, WINDOWS, CUTS, np.random.default_rng(4))
    scan = scan_of(flat, bins, times, folds)
    total = scan.spectrum @ WINDOWS.inside.T
    shares = scan.observed / total[:, np.newaxis]
    error = np.sqrt(np.array(CUTS) * 1.7 / total[:, np.newaxis])
    pulls = (shares - CUTS) / error
    assert np.abs(pulls).max() < 4.5
    np.testing.assert_allclose(
        scan.kept.sum(axis=-1), np.array(CUTS) * times.sum() * np.ones((11, 1)), rtol=1e-3
    )


def test_the_order_at_one_m_jj_stays() -> None:
    scores, bins, times, folds = correlated(5000, np.random.default_rng(5))
    flat = flat_scores(scores[np.newaxis], bins, times, folds, WINDOWS, CUTS, np.random.default_rng(6))
    here = (bins == 3) & (folds == 1)
    for one in flat:
        assert stats.spearmanr(one[here], scores[here]).statistic > 0.9999


def test_a_signal_of_the_window_moves_no_threshold_there() -> None:
    scores, bins, *_ = correlated(20_000, np.random.default_rng(7))
    signal = (bins >= 6) & (bins <= 7) & (np.random.default_rng(8).random(20_000) < 0.1)
    times, ones = np.ones(20_000, dtype=np.int64), np.zeros(20_000, dtype=np.int64)
    higher = np.where(signal, scores + 20, scores)
    plain, doped = (
        flat_scores(one[np.newaxis], bins, times, ones, WINDOWS, CUTS, np.random.default_rng(9))
        for one in (scores, higher)
    )
    others = np.isin(bins, [6, 7]) & ~signal
    for share in CUTS:
        before, after = (
            (one[SIGNAL_WINDOW, others] > stats.norm.isf(share)).mean() for one in (plain, doped)
        )
        assert abs(before - after) < 2 / others.sum()
    assert (doped[SIGNAL_WINDOW, signal] > stats.norm.isf(0.02)).all()


def test_scores_of_each_window_are_made_flat_by_themselves() -> None:
    scores, bins, times, folds = correlated(3000, np.random.default_rng(10))
    each = np.stack([scores + number * bins for number in range(11)])
    whole = flat_scores(each, bins, times, folds, WINDOWS, CUTS, np.random.default_rng(11))
    assert whole.shape == each.shape
    one = flat_scores(each[:1], bins, times, folds, WINDOWS, CUTS, np.random.default_rng(11))
    assert stats.spearmanr(whole[0], one[0]).statistic > 0.999
    with pytest.raises(ArgumentError, match="scores must have shape"):
        flat_scores(each[:2], bins, times, folds, WINDOWS, CUTS, np.random.default_rng(12))


def test_planing_flattens_the_spectrum_of_a_sample() -> None:
    rng = np.random.default_rng(13)
    bins, times = rng.choice(4, 4000, p=[0.5, 0.3, 0.15, 0.05]), rng.integers(1, 4, 4000)
    weights = planing_weights(bins, times)
    np.testing.assert_allclose(np.bincount(bins, weights), times.sum() / 4)
    rare = np.repeat([0, 1], [1000, 3])
    assert planing_weights(rare, np.ones(1003, dtype=np.int64)).max() < 1.01 * MOST_WEIGHT * 1003 / 508
    data = drawn(pools_of(3000, 10)).view
    planed, plain = (Events(data, "event", planed=planed) for planed in (True, False))
    assert planed.weights.sum() == pytest.approx(plain.weights.sum())
    assert np.array_equal(plain.weights, data.weights)


QUICK: dict[str, Any] = {"trees": TreesSection(rounds=12, leaves=8), "efficiencies": (0.05,), "folds": 2}


@pytest.mark.parametrize("way", ["quantile", "planing"])
def test_a_search_finds_its_signal_all_the_same(way: str) -> None:
    pools = pools_of(15_000)
    search = search_of(Cwola(**QUICK, decorrelate=way), pools)
    plain = search_of(Cwola(**QUICK), pools)
    # Thresholds come after the training, weights before it.
    assert (search.fit_key == plain.fit_key) == (way == "quantile")
    data, inputs = observed(pools, 250).view, inputs_of(pools)

    def judged(seed: int) -> Any:
        rng = np.random.default_rng(seed)
        return search.judge(search.fit(data, inputs, rng), data, Inputs(), rng)

    found, again = judged(1), judged(1)
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 5
    assert np.array_equal(found.scan.kept, again.scan.kept)


def test_scores_that_count_copies_cannot_be_planed() -> None:
    with pytest.raises(ValidationError, match="take quantile"):
        PcaOutliers(decorrelate="planing")
    assert PcaOutliers(decorrelate="quantile").decorrelate == "quantile"
