"""PCA outliers: far out where events hardly differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from toy_views import SIGNAL_WINDOW, drawn, observed, pools_of, search_of

from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.outliers import PcaDistance, PcaScorer
from hepcs.searches.cut_and_fit.search import CutResult
from hepcs.searches.pca_outliers import PcaOutliers

POOLS = pools_of(12_000)
SECTION = PcaOutliers(efficiencies=(0.05,), folds=3)
SEARCH = search_of(SECTION, POOLS)


def found_in(data: object, seed: int = 1, search: object = SEARCH) -> CutResult:
    rng = np.random.default_rng(seed)
    return search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)  # type: ignore[attr-defined]


def test_events_off_the_plane_of_all_others_score_high() -> None:
    data = observed(POOLS, 50)
    fit = SEARCH.fit(data.view, Inputs(), np.random.default_rng(1))
    assert fit.values.shape == (1, len(data.view.m_jj))
    assert roc_auc_score(data.injected, fit.values[0]) > 0.95


def test_a_signal_is_found_in_its_window() -> None:
    assert found_in(observed(POOLS).view).statistic < 4
    found = found_in(observed(POOLS, 300).view)
    assert found.valid
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6


def test_without_signal_local_significances_are_normal() -> None:
    """In samples of their own, of which bootstraps would fluctuate more; windows that do not touch."""
    z = []
    for seed in range(24):
        pools = pools_of(6000, 10, seed=seed + 10)
        z += found_in(observed(pools).view, search=SEARCH).scan.local_z[::5, 0].tolist()
    assert len(z) == 72
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_scores_are_the_same_for_copies_and_multiplicities() -> None:
    rng = np.random.default_rng(2)
    x, times = rng.normal(size=(3000, 3)).astype(np.float32), rng.integers(1, 5, 3000)
    rows = np.repeat(np.arange(3000), times)
    labels = np.zeros(3000, bool)
    counted = PcaScorer(0.9).fit(x, times.astype(float), labels, np.random.default_rng(3)).score(x)
    copied = PcaScorer(0.9).fit(x[rows], np.ones(rows.size), labels[rows], np.random.default_rng(3)).score(x)
    np.testing.assert_array_equal(counted, copied)
    once = PcaScorer(0.9).fit(x, np.ones(3000), labels, np.random.default_rng(3)).score(x)
    assert not np.array_equal(counted, once)


def fitted(x: np.ndarray, kept_variance: float = 0.9) -> PcaDistance:
    ones, labels = np.ones(len(x)), np.zeros(len(x), bool)
    return PcaScorer(kept_variance).fit(x, ones, labels, np.random.default_rng(5))


@pytest.mark.parametrize(("kept_variance", "small"), [(0.3, 3), (0.6, 2), (0.8, 1), (0.9999, 1)])
def test_the_small_components_are_those_that_the_kept_variance_does_without(
    kept_variance: float, small: int
) -> None:
    # Variances of about 2, 1, 1 and 0.
    x = np.random.default_rng(4).normal(size=(4000, 4))
    x[:, 1] = x[:, 0] + 0.01 * x[:, 1]
    assert fitted(x, kept_variance).axes.shape == (4, small)


def test_features_need_no_scale_and_may_be_constant() -> None:
    x = np.random.default_rng(6).normal(size=(2000, 3))
    plain, scaled = fitted(x).score(x), fitted(x * [0.1, 1.0, 100.0]).score(x * [0.1, 1.0, 100.0])
    np.testing.assert_allclose(plain, scaled, rtol=1e-3)
    constant = np.column_stack([x[:, :2], np.full(2000, 7.0)])
    assert np.isfinite(fitted(constant).score(constant)).all()
    assert np.isfinite(fitted(x[:, :1]).score(x[:, :1])).all()


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS).view
    once, again, other = (found_in(data, seed).scan.kept for seed in (6, 6, 7))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_its_section_is_small() -> None:
    assert (SECTION.is_trained_once, SECTION.needs_truth, SECTION.roles) == (False, False, ())
    assert SECTION.packages == ("scikit-learn",)
    assert SECTION.scorer() == PcaScorer(0.9)
