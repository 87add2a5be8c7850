"""Fits that leave the window out."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function, fit_dijet
from hepcs.searches.cut_and_fit.window_fit import fit_outside, fit_outside_by_f_test

CENTRES = np.arange(3050.0, 4600, 100)
SQRT_S = 13_000.0
CURVE = dijet_function(CENTRES, [1.0, 12.0, -6.0], SQRT_S)


def curve(total: float) -> np.ndarray:
    return CURVE * total / CURVE.sum()


def window(first: int, width: int = 2) -> np.ndarray:
    return (np.arange(16) >= first) & (np.arange(16) < first + width)


def test_the_curve_itself_is_found_whatever_is_in_the_window() -> None:
    inside = np.array([window(2), window(7), window(12)])
    counts = np.where(inside, 1e4, curve(1e5))
    fits = fit_outside(counts, inside, CENTRES, sqrt_s=SQRT_S)
    assert fits.converged.all()
    assert np.allclose(fits.curve, curve(1e5), rtol=1e-6)
    assert np.allclose(fits.expected, np.where(inside, curve(1e5), 0).sum(axis=1), rtol=1e-6)
    assert np.allclose(fits.chi2, 0, atol=1e-6)


@pytest.mark.parametrize("n_parameters", [3, 4])
def test_it_is_the_fit_of_minuit_to_the_bins_outside(n_parameters: int) -> None:
    counts = np.random.default_rng(1).poisson(curve(20_000)).astype(float)
    inside = window(14)
    # A window at the end leaves a spectrum of neighbouring bins, which the other fit can take.
    found = fit_outside(counts[None], inside[None], CENTRES, sqrt_s=SQRT_S, n_parameters=n_parameters)
    other = fit_dijet(counts[~inside], CENTRES[~inside], n_parameters, sqrt_s=SQRT_S)
    assert np.allclose(found.curve[0, ~inside], other.expected, rtol=1e-4)
    assert found.chi2[0] == pytest.approx(other.chi2, abs=1e-3)


@pytest.mark.parametrize("total", [600, 20_000])
@pytest.mark.parametrize("first", [2, 8, 12])
def test_the_variance_is_the_spread_of_the_prediction(total: float, first: int) -> None:
    n = 2000
    counts = np.random.default_rng(2).poisson(curve(total), size=(n, 16))
    inside = np.broadcast_to(window(first), counts.shape)
    fits = fit_outside(counts, inside, CENTRES, sqrt_s=SQRT_S)
    assert fits.converged.all()
    # Few events bend a logarithm: to some percent only.
    assert np.sqrt(fits.variance.mean()) == pytest.approx(fits.expected.std(), rel=0.1)
    true = curve(total)[window(first)].sum()
    assert abs(fits.expected.mean() - true) < 0.1 * fits.expected.std()


def test_the_f_test_takes_a_fourth_parameter_where_the_bins_ask_for_it() -> None:
    rng = np.random.default_rng(3)
    straight = rng.poisson(curve(1e5), size=(400, 16))
    bent_curve = dijet_function(CENTRES, [1.0, 12.0, 69.0, 30.0], SQRT_S)
    bent = rng.poisson(1e7 * bent_curve / bent_curve.sum(), size=(20, 16))
    straight_fits, bent_fits = (
        fit_outside_by_f_test(one, np.broadcast_to(window(6), one.shape), CENTRES, sqrt_s=SQRT_S, alpha=0.05)
        for one in (straight, bent)
    )
    assert 0.02 < (straight_fits.n_parameters == 4).mean() < 0.1
    assert (bent_fits.n_parameters == 4).all()
    plain = fit_outside(bent, np.broadcast_to(window(6), bent.shape), CENTRES, sqrt_s=SQRT_S, n_parameters=4)
    assert np.array_equal(bent_fits.expected, plain.expected)


def test_spectra_that_determine_nothing_are_marked() -> None:
    counts = np.zeros((4, 16))
    counts[1, 3] = 8  # one bin alone
    counts[2, 7] = 5  # all of it in the window
    counts[3] = np.round(curve(500))
    fits = fit_outside(counts, np.broadcast_to(window(7), counts.shape), CENTRES, sqrt_s=SQRT_S)
    assert fits.converged.tolist() == [False, False, False, True]
    assert np.isnan(fits.expected[:3]).all()
    assert np.isnan(fits.variance[:3]).all()
    assert np.isfinite(fits.curve[3]).all()


def test_what_cannot_be_fitted_is_refused() -> None:
    counts = np.ones((1, 16))
    with pytest.raises(ArgumentError, match="leaves 3 bins, too few for 3 parameters"):
        fit_outside(counts, window(2, 13)[None], CENTRES, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="do not match counts"):
        fit_outside(counts, window(2), CENTRES, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="finite and not negative"):
        fit_outside(-counts, window(2)[None], CENTRES, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="alpha"):
        fit_outside_by_f_test(counts, window(2)[None], CENTRES, sqrt_s=SQRT_S, alpha=0)
