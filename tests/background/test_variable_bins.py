"""Fits over bins of different widths: CMS's dijet binning, one function of counts per GeV."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from hepcs._core.errors import ArgumentError
from hepcs.background import (
    dijet_function,
    fit_dijet,
    gaussian_templates,
    irls_dijet,
    scan_masses,
    scan_masses_many,
)
from hepcs.config.binnings import edges_inside
from hepcs.datasets.samples import MassBins
from hepcs.searches.cut_and_fit.window_fit import fit_outside, fit_outside_by_f_test
from hepcs.studies.goodness import goodness_of_fit
from hepcs.studies.orders import compare_orders
from hepcs.studies.spurious import spurious_signal

SQRT_S = 13_000.0
BINS = MassBins.of(edges_inside("cms_dijet", 2438, 6328))
WIDTHS = BINS.widths
assert WIDTHS is not None
TRUTH = (1.0, 0.85218256, -14.17770188, -3.57107481)


def integrated(n_events: float) -> NDArray[np.float64]:
    """Events of the published function in each bin: its integral, not its value at the centre."""
    counts = [
        quad(lambda m: float(dijet_function(m, TRUTH, SQRT_S)), low, high, epsrel=1e-12)[0]
        for low, high in zip(BINS.edges[:-1], BINS.edges[1:], strict=True)
    ]
    return np.array(counts) * (n_events / sum(counts))


MILLION = integrated(1e6)


def toys(expected: NDArray[np.float64], n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected, (n, expected.size)).astype(np.float64)


def test_a_smooth_spectrum_of_a_million_events_is_fitted_to_a_hundredth_of_its_error() -> None:
    fit = fit_dijet(MILLION, BINS.centres, 4, sqrt_s=SQRT_S, widths=WIDTHS)
    assert fit.converged
    assert np.abs((MILLION - fit.expected) / np.sqrt(MILLION)).max() < 0.02
    # Its parameters are the function's, whatever the widths; without these the widths would be its shape.
    np.testing.assert_allclose(fit.log_parameters[1:4], TRUTH[1:], atol=0.15)
    without = fit_dijet(MILLION, BINS.centres, 4, sqrt_s=SQRT_S)
    assert np.abs(without.log_parameters[1:4] - TRUTH[1:]).max() > 0.5
    # Per GeV: over a bin, it holds the bin's events.
    np.testing.assert_allclose(fit.curve(BINS.centres) * WIDTHS, fit.expected, rtol=1e-9)


def test_toys_are_fitted_without_bias_and_with_the_right_chi2() -> None:
    expected = integrated(2e5)
    fits = irls_dijet(toys(expected, 2000, 1), BINS.centres, 4, sqrt_s=SQRT_S, widths=WIDTHS)
    assert fits.converged.all()
    # Some 40 per cent of a Poisson deviation at most in a bin, over the root of the toys.
    mean_pull = ((fits.expected - expected) / np.sqrt(expected)).mean(axis=0)
    assert np.abs(mean_pull).max() < 4 * 0.5 / np.sqrt(2000)
    assert fits.chi2.mean() == pytest.approx(BINS.n_bins - 4, abs=4 * np.sqrt(2 * BINS.n_bins / 2000))
    one = fit_dijet(toys(expected, 1, 2)[0], BINS.centres, 4, sqrt_s=SQRT_S, widths=WIDTHS)
    many = irls_dijet(toys(expected, 1, 2), BINS.centres, 4, sqrt_s=SQRT_S, widths=WIDTHS)
    np.testing.assert_allclose(one.expected, many.expected[0], rtol=1e-6)


def test_one_width_given_is_that_of_counts_per_bin() -> None:
    centres = np.arange(3050.0, 4600.0, 100.0)
    counts = toys(dijet_function(centres, (0.15239691, *TRUTH[1:]), SQRT_S), 1, 3)[0]
    plain = fit_dijet(counts, centres, 4, sqrt_s=SQRT_S)
    wide = fit_dijet(counts, centres, 4, sqrt_s=SQRT_S, widths=np.full(16, 100.0))
    np.testing.assert_allclose(wide.expected, plain.expected, rtol=1e-9)
    np.testing.assert_allclose(wide.curve(centres) * 100, plain.curve(centres), rtol=1e-9)
    # The degeneracy of the parameters leaves ln p1 some digits less than the curve.
    assert wide.log_parameters[0] == pytest.approx(plain.log_parameters[0] - np.log(100), abs=1e-3)


def test_a_window_is_predicted_from_the_bins_outside_of_it() -> None:
    counts = toys(integrated(2e5), 400, 4)
    inside = np.zeros(counts.shape, dtype=bool)
    inside[:, 8:11] = True
    fits = fit_outside(counts, inside, BINS.centres, sqrt_s=SQRT_S, n_parameters=4, widths=WIDTHS)
    expected = integrated(2e5)[8:11].sum()
    pull = (fits.expected - expected) / np.sqrt(fits.variance)
    assert abs(pull.mean()) < 4 / np.sqrt(400)
    assert pull.std() == pytest.approx(1, abs=0.15)
    by_test = fit_outside_by_f_test(counts, inside, BINS.centres, sqrt_s=SQRT_S, widths=WIDTHS)
    # The published function needs its fourth parameter over this range.
    assert (by_test.n_parameters == 4).mean() > 0.99


def test_a_resonance_is_found_with_its_strength() -> None:
    templates = gaussian_templates(np.arange(3000.0, 5500.0, 250.0), BINS.edges, relative_width=0.04)
    scan = scan_masses(MILLION + 2000 * templates.shares[4], templates, 4, sqrt_s=SQRT_S)
    assert scan.best_mass == 4000
    assert scan.strength[4] == pytest.approx(2000, rel=0.02)
    null = scan_masses_many(toys(MILLION, 300, 5), templates, 4, sqrt_s=SQRT_S)
    pull = null.strength / null.strength_error
    assert np.abs(pull.mean(axis=0)).max() < 4.5 / np.sqrt(300)


def test_studies_of_the_function_take_the_widths() -> None:
    rng = np.random.default_rng(6)
    counts = toys(integrated(2e5), 1, 7)[0]
    orders = compare_orders(counts, BINS.centres, sqrt_s=SQRT_S, widths=WIDTHS)
    assert orders.recommended == 4
    fitted = orders.fits[1]
    assert goodness_of_fit(fitted, rng=rng, n_toys=300).likelihood_ratio.p > 1e-3
    same = spurious_signal(
        counts, BINS.centres, "dijet_4", "dijet_4", sqrt_s=SQRT_S, rng=rng, n_toys=300, widths=WIDTHS
    )
    assert np.abs(same.bias).max() < 0.3
    np.testing.assert_allclose(same.truth, fitted.expected, rtol=1e-6)


@pytest.mark.parametrize("widths", [np.ones(3), np.zeros(BINS.n_bins), np.full(BINS.n_bins, np.nan)])
def test_widths_that_are_none_are_refused(widths: NDArray[np.float64]) -> None:
    with pytest.raises(ArgumentError, match="widths must be"):
        fit_dijet(MILLION, BINS.centres, 4, sqrt_s=SQRT_S, widths=widths)
