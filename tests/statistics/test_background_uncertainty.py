"""Local significance of an excess over an expectation that is uncertain itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function
from hepcs.config.searches import Statistic
from hepcs.searches.cut_and_fit.scan import scan_cuts
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.statistics.bumphunter import test_statistic as statistic_of
from hepcs.statistics.significance import local_significance
from hepcs.statistics.windows import scan_bins
from hepcs.studies.families import fit_family
from hepcs.studies.spurious import function_error

CENTRES = np.arange(3050.0, 4600.0, 100.0)
COUNTS = dijet_function(CENTRES, (0.15239691, 0.85218256, -14.17770188, -3.57107481), 13000.0)


def test_gaussian_by_hand() -> None:
    # 100 expected to 10 %: 30 more are 30 / sqrt(100 + 100).
    found = local_significance([130.0, 70.0], [100.0, 100.0], "gaussian", 0.1)
    np.testing.assert_allclose(found, [30 / np.sqrt(200), 0])
    by_bin = local_significance([130.0, 130.0], [100.0, 100.0], "gaussian", [0.0, 0.1])
    np.testing.assert_allclose(by_bin, [3.0, 30 / np.sqrt(200)])


@pytest.mark.parametrize(
    ("observed", "expected", "error"), [(30, 14.0, 0.2), (4, 1.5, 0.5), (520, 400.0, 0.05)]
)
def test_the_exact_one_is_the_integral_over_the_mean(observed: int, expected: float, error: float) -> None:
    """P(N > S), averaged over a Gamma distributed mean."""
    shape = 1 / error**2
    gamma = stats.gamma(shape, scale=expected / shape)
    tail, _ = integrate.quad(
        lambda mean: stats.poisson.sf(observed, mean) * gamma.pdf(mean), 0, 20 * expected, limit=500
    )
    found = local_significance([observed], [expected], "exact", error)
    assert found[0] == pytest.approx(stats.norm.isf(tail), rel=1e-5)


@pytest.mark.parametrize("form", ["gaussian", "exact"])
def test_a_small_error_is_the_limit_of_none(form: str) -> None:
    observed, expected = np.array([140.0, 90.0, 5.0, 3.0]), np.array([100.0, 100.0, 1.0, 0.0])
    plain = local_significance(observed, expected, form)  # type: ignore[arg-type]
    small = local_significance(observed, expected, form, 1e-7)  # type: ignore[arg-type]
    np.testing.assert_allclose(small, plain, rtol=1e-4)
    np.testing.assert_array_equal(local_significance(observed, expected, form, 0.0), plain)  # type: ignore[arg-type]
    assert (local_significance(observed, expected, form, 0.1) <= plain).all()  # type: ignore[arg-type]


def test_errors_of_a_window_add_up() -> None:
    observed, expected = np.array([100.0, 130.0, 145.0, 100.0]), np.full(4, 100.0)
    found = scan_bins(observed, expected, [2], "gaussian", [0.0, 0.1, 0.2, 0.0])
    # 20 % of one bin are 20, 10 % of the other 10: 30 of 200.
    assert found.window == (1, 3)
    assert found.significance == pytest.approx(75 / np.sqrt(200 + 30**2))


def test_the_card_asks_for_it() -> None:
    observed, expected = np.array([130.0, 100.0]), np.full(2, 100.0)
    value, local = statistic_of(observed, expected, Statistic(background_uncertainty=0.1))
    assert value == local[0] == pytest.approx(30 / np.sqrt(200))
    with pytest.raises(ArgumentError, match="relative error"):
        local_significance(observed, expected, "gaussian", -0.1)


def test_a_window_of_a_cut_knows_it_beside_the_error_of_the_fit() -> None:
    windows, kept = sliding_windows(16, 2), np.random.default_rng(1).poisson(0.01 * COUNTS)[None]
    plain, wide = (
        scan_cuts(COUNTS, kept, windows, [0.01], CENTRES, sqrt_s=13000.0, relative_error=u)
        for u in (0.0, 0.05)
    )
    np.testing.assert_array_equal(plain.variance, wide.variance)
    spread = np.sqrt(plain.expected + plain.variance + (0.05 * plain.expected) ** 2)
    np.testing.assert_allclose(wide.local_z, (plain.observed - plain.expected) / spread)


def test_the_error_of_a_function_is_what_another_one_would_be_mistaken_for() -> None:
    found = function_error(COUNTS, CENTRES, "dijet_3", sqrt_s=13000.0)
    truth = fit_family(COUNTS[None], CENTRES, "ua2", sqrt_s=13000.0).expected
    own = np.abs(truth / fit_family(truth, CENTRES, "dijet_3", sqrt_s=13000.0).expected - 1)[0]
    assert (found >= own - 1e-12).all()
    # Per cents at most, and less for a function with a parameter more.
    assert 1e-4 < found.max() < 0.05
    assert function_error(COUNTS, CENTRES, "dijet_4", sqrt_s=13000.0).max() < found.max()
    # Weights and widths of all bins alike change nothing.
    same = function_error(
        2 * COUNTS, CENTRES, "dijet_3", sqrt_s=13000.0, widths=np.full(16, 100.0), variances=4 * COUNTS
    )
    np.testing.assert_allclose(same, found, rtol=1e-5)
