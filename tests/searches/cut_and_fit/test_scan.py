"""The scan over windows and cuts."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function
from hepcs.searches.cut_and_fit.scan import scan_cuts, scan_scores, window_significance
from hepcs.searches.cut_and_fit.windows import sliding_windows

CENTRES = np.arange(3050.0, 4600, 100)
SQRT_S = 13_000.0
CURVE = dijet_function(CENTRES, [1.0, 12.0, -6.0], SQRT_S)
CURVE = CURVE / CURVE.sum()
WINDOWS = sliding_windows(16)


def test_a_signal_in_one_window_and_cut_is_found_there() -> None:
    kept = np.round(np.stack([6000 * CURVE, 2000 * CURVE]))[np.newaxis].repeat(11, axis=0)
    kept[4, 1, WINDOWS.inside[4]] += 60
    scan = scan_cuts(2e5 * CURVE, kept, WINDOWS, [0.03, 0.01], CENTRES, sqrt_s=SQRT_S)
    assert scan.best == (4, 1)
    assert scan.statistic == scan.local_z[4, 1] == scan.largest_by_cut()[1]
    b = 2000 * CURVE[WINDOWS.inside[4]].sum()
    assert scan.expected[4, 1] == pytest.approx(b, rel=0.01)
    assert scan.statistic == pytest.approx(120 / np.sqrt(b + scan.variance[4, 1]), rel=0.03)
    assert scan.n_failed == 0
    # The window is left out of the fit, so its neighbours see a part of the signal, and those far away do not.
    assert abs(scan.local_z[10, 1]) < 0.5


def test_spectra_of_a_score_without_windows_serve_all_of_them() -> None:
    kept = np.random.default_rng(1).poisson(2000 * CURVE, size=(2, 16))
    once = scan_cuts(2e5 * CURVE, kept, WINDOWS, [0.03, 0.01], CENTRES, sqrt_s=SQRT_S)
    full = scan_cuts(
        2e5 * CURVE, np.broadcast_to(kept, (11, 2, 16)), WINDOWS, [0.03, 0.01], CENTRES, sqrt_s=SQRT_S
    )
    assert once.kept.shape == (11, 2, 16)
    assert np.array_equal(once.local_z, full.local_z)


@pytest.mark.parametrize("form", ["asymptotic", "exact"])
@pytest.mark.parametrize("total", [600, 6000])
def test_local_z_of_background_is_standard_normal(form: str, total: float) -> None:
    rng = np.random.default_rng(2)
    z = np.array(
        [
            scan_cuts(
                2e5 * CURVE,
                rng.poisson(total * CURVE, size=(1, 16)),
                WINDOWS,
                [0.01],
                CENTRES,
                sqrt_s=SQRT_S,
                form=form,
            ).local_z[:, 0]
            for _ in range(300)
        ]
    )
    assert abs(z.mean()) < 0.15
    assert 0.85 < z.std() < 1.1


def test_all_windows_and_cuts_of_a_data_set_take_milliseconds() -> None:
    kept = np.random.default_rng(3).poisson(600 * CURVE, size=(11, 3, 16))
    scan_cuts(2e5 * CURVE, kept, WINDOWS, [0.03, 0.01, 0.003], CENTRES, sqrt_s=SQRT_S)  # compiles
    start = time.process_time()
    for _ in range(10):
        scan_cuts(2e5 * CURVE, kept, WINDOWS, [0.03, 0.01, 0.003], CENTRES, sqrt_s=SQRT_S)
    assert (time.process_time() - start) / 10 < 0.05


def test_fits_that_fail_are_counted_and_take_no_part() -> None:
    kept = np.stack([np.round(2000 * CURVE), np.zeros(16)])
    scan = scan_cuts(2e5 * CURVE, kept, WINDOWS, [0.01, 1e-6], CENTRES, sqrt_s=SQRT_S)
    assert scan.n_failed == 11
    assert np.isfinite(scan.statistic)
    assert scan.best[1] == 0
    assert np.isnan(scan.largest_by_cut()[1])
    nothing = scan_cuts(2e5 * CURVE, np.zeros((1, 16)), WINDOWS, [0.01], CENTRES, sqrt_s=SQRT_S)
    assert np.isnan(nothing.statistic)


def test_asymptotic_significance_contains_the_fit_and_its_uncertainty() -> None:
    assert window_significance(130, 100, 0) == pytest.approx(3)
    assert window_significance(130, 100, 125) == pytest.approx(2)
    assert window_significance(70, 100, 125) == pytest.approx(-2)
    assert np.isnan(window_significance(3, np.nan, np.nan))
    assert np.isnan(window_significance(3, 0, 0))


def test_exact_significance_is_that_of_a_poisson_with_a_gamma_mean() -> None:
    # On/off counts: m events in a control region tau times as large, B = m / tau, v = m / tau^2; then the marginal
    # tail with a Gamma of shape m is the binomial test of S against m - 1 (Linnemann 2003).
    s, m, tau = 9, 20, 5.0
    expected = stats.binomtest(s, s + m - 1, 1 / (1 + tau), alternative="greater").pvalue
    z = window_significance(s, m / tau, m / tau**2, "exact")
    assert stats.norm.sf(z) == pytest.approx(expected, rel=1e-9)
    # Without uncertainty, it is Poisson's.
    assert stats.norm.sf(window_significance(12, 4.0, 0, "exact")) == pytest.approx(
        stats.poisson.sf(11, 4.0), rel=1e-5
    )
    assert stats.norm.cdf(window_significance(1, 4.0, 0, "exact")) == pytest.approx(
        stats.poisson.cdf(1, 4.0), rel=1e-5
    )


def test_exact_significance_is_finite_and_rises_with_the_counts() -> None:
    s = np.arange(0, 3000)
    z = window_significance(s, 7.5, 4.0, "exact")
    assert np.isfinite(z).all()
    assert (np.diff(z) >= 0).all()
    assert z[0] < -1
    assert z[-1] > 30
    assert np.isnan(window_significance(3, np.nan, np.nan, "exact"))


def test_scores_of_events_lead_to_the_same_test() -> None:
    rng = np.random.default_rng(4)
    bins, n = rng.choice(16, 40_000, p=CURVE), 40_000
    ones, fold = np.ones(n, int), np.zeros(n, int)
    scores = rng.random(n) + 2 * ((bins == 6) & (rng.random(n) < 0.03))  # 3 % of one bin stand out
    once = scan_scores(scores, bins, ones, fold, WINDOWS, [0.01], CENTRES, rng, sqrt_s=SQRT_S)
    assert once.best[0] in (3, 4)  # the two windows with this bin
    assert once.statistic > 4
    by_window = np.where(np.arange(11)[:, np.newaxis] == 7, -scores, scores)
    many = scan_scores(by_window, bins, ones, fold, WINDOWS, [0.01], CENTRES, rng, sqrt_s=SQRT_S)
    assert np.array_equal(np.delete(many.local_z, 7, axis=0), np.delete(once.local_z, 7, axis=0))
    assert many.local_z[7, 0] != once.local_z[7, 0]
    with pytest.raises(ArgumentError, match=r"shape \(n,\) or \(11, n\)"):
        scan_scores(by_window[:5], bins, ones, fold, WINDOWS, [0.01], CENTRES, rng, sqrt_s=SQRT_S)


def test_what_cannot_be_scanned_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match=r"needs a spectrum \(16,\) and kept ones \(11, 1, 16\) or \(1, 16\)"
    ):
        scan_cuts(CURVE, np.ones((2, 16)), WINDOWS, [0.01], CENTRES, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="unknown form 'sum'"):
        window_significance(1, 1, 1, "sum")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="must not be negative"):
        window_significance(-1, 1, 1)
