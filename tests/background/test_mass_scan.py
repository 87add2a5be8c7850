"""Mass scan: background and signal fitted together, against iminuit, in coverage, and under the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import poisson_chi2
from numpy.typing import NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.background import (
    MassScans,
    SignalTemplates,
    dijet_function,
    fit_dijet,
    gaussian_templates,
    scan_masses,
    scan_masses_many,
)

SQRT_S = 13_000.0
EDGES = np.arange(3000.0, 4601.0, 100.0)
CENTRES = EDGES[:-1] + 50
EXPECTED = dijet_function(CENTRES, (0.15239691, 0.85218256, -14.17770188, -3.57107481), SQRT_S) / 2
MASSES = np.arange(3100.0, 4501.0, 100.0)
TEMPLATES = gaussian_templates(MASSES, EDGES, relative_width=0.03)
AT_3500 = gaussian_templates([3500.0], EDGES, relative_width=0.03)


def toys(expected: NDArray[np.float64], n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected, (n, expected.size)).astype(np.float64)


def scan(counts: NDArray[np.float64], templates: SignalTemplates = TEMPLATES, n: int = 4) -> MassScans:
    return scan_masses_many(counts, templates, n, sqrt_s=SQRT_S)


def by_minuit(
    counts: NDArray[np.float64], share: NDArray[np.float64], n: int
) -> tuple[float, float, float, NDArray[np.float64]]:
    """Strength, its error, q0 without its cut at zero, and the background, from an own fit by iminuit."""
    x = CENTRES / SQRT_S
    columns = np.array([np.ones(16), np.log(1 - x), np.log(x), np.log(x) ** 2, np.log(x) ** 3])[:n].T
    basis = np.linalg.qr(columns)[0]
    start = np.linalg.lstsq(basis, np.log(counts + 0.5), rcond=None)[0]

    def cost(parameters: NDArray[np.float64]) -> float:
        mean = np.exp(basis @ parameters[:-1]) + parameters[-1] * share
        return float(poisson_chi2(counts, mean)) if (mean > 0).all() else 1e9

    def fitted(strength_fixed: bool) -> Minuit:
        minuit = Minuit(cost, np.append(start, 0.0))
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.errors = np.append(np.full(n, 1 / math.sqrt(counts.mean())), math.sqrt(counts.max()))
        minuit.fixed[n] = strength_fixed
        minuit.strategy, minuit.tol = 2, 1e-3
        for _ in range(3):
            minuit.migrad(ncall=20_000)
        minuit.hesse()
        return minuit

    null, signal = fitted(True), fitted(False)
    assert null.fmin is not None and signal.fmin is not None
    values = np.array(signal.values)
    return (
        float(values[-1]),
        float(signal.errors[n]),
        float(null.fval - signal.fval),
        np.exp(basis @ values[:-1]),
    )


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize(
    ("size", "strength", "mass"),
    [(1.0, 1500, 3500.0), (1.0, 0, 3300.0), (0.1, 400, 3800.0), (0.1, -300, 3600.0), (0.002, 30, 3700.0)],
)
def test_agrees_with_iminuit(n: int, size: float, strength: float, mass: float) -> None:
    template = gaussian_templates([mass], EDGES, relative_width=0.03)
    share = template.shares[0]
    counts = toys(size * EXPECTED + strength * share, 1, 1)[0]
    found = scan_masses(counts, template, n, sqrt_s=SQRT_S)
    fitted, error, q0, background = by_minuit(counts, share, n)
    assert found.converged.all()
    assert found.strength[0] == pytest.approx(fitted, abs=2e-3 * error)
    # Its Hesse takes differences, which for such correlations are good to some per cent.
    assert found.strength_error[0] == pytest.approx(error, rel=0.03)
    assert found.local_z[0] ** 2 == pytest.approx(q0 if fitted > 0 else 0.0, abs=1e-3)
    np.testing.assert_allclose(found.background, background, rtol=1e-3)
    np.testing.assert_allclose(found.signal, found.strength[0] * share)


def test_error_is_that_of_the_inverse_information() -> None:
    counts = toys(EXPECTED / 100 + 100 * AT_3500.shares[0], 1, 7)[0]
    found = scan_masses(counts, AT_3500, 3, sqrt_s=SQRT_S)
    x, share = CENTRES / SQRT_S, AT_3500.shares[0]
    # Centred, so that the matrix can be inverted.
    columns = np.array([np.ones(16), np.log(1 - x) + 0.34, np.log(x) + 1.25]).T
    background, mean = found.background, found.background + found.signal
    slopes = np.column_stack([background[:, None] * columns, share])
    information = (slopes * (counts / mean**2)[:, None]).T @ slopes
    information[:3, :3] -= (columns * ((counts / mean - 1) * background)[:, None]).T @ columns
    # At the maximum the score vanishes.
    np.testing.assert_allclose((counts / mean - 1) @ slopes, 0, atol=1e-6)
    assert found.strength_error[0] == pytest.approx(np.linalg.inv(information)[3, 3] ** 0.5, rel=1e-6)


def test_finds_exactly_what_was_put_in() -> None:
    mass = 7
    asimov = EXPECTED + 1500 * TEMPLATES.shares[mass]
    found = scan_masses(asimov, TEMPLATES, 4, sqrt_s=SQRT_S)
    assert (found.best, found.best_mass) == (mass, MASSES[mass])
    assert found.strength[mass] == pytest.approx(1500, rel=1e-6)
    assert found.statistic == found.local_z[mass] == found.local_z.max() > 3
    # Close to its size in errors, as for any large counts.
    assert found.local_z[mass] == pytest.approx(1500 / found.strength_error[mass], rel=0.05)
    np.testing.assert_allclose(found.background, EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(found.signal, asimov - EXPECTED, rtol=1e-5, atol=1e-6)
    alone = fit_dijet(asimov, CENTRES, 4, sqrt_s=SQRT_S)
    np.testing.assert_allclose(found.background_only, alone.expected, rtol=1e-6)
    assert found.background_only_chi2 == pytest.approx(alone.chi2, rel=1e-6)
    # The fit without signal follows a part of it.
    assert (alone.expected - EXPECTED)[7:9].sum() > 100


def test_a_deficit_is_no_signal() -> None:
    found = scan_masses(EXPECTED - 1500 * TEMPLATES.shares[7], TEMPLATES, 4, sqrt_s=SQRT_S)
    assert found.strength[7] == pytest.approx(-1500, rel=1e-6)
    assert found.local_z[7] == 0
    assert found.converged.all()


@pytest.mark.parametrize(("size", "strength"), [(1.0, 0), (1.0, 1500), (0.02, 150)])
def test_strength_is_unbiased_and_its_error_right(size: float, strength: float) -> None:
    n_toys = 2000
    found = scan(toys(size * EXPECTED + strength * AT_3500.shares[0], n_toys, 2), AT_3500)
    assert found.converged.all()
    pulls = (found.strength - strength)[:, 0] / found.strength_error[:, 0]
    assert abs(found.strength.mean() - strength) < 4 * found.strength.std() / math.sqrt(n_toys)
    # The error follows the strength upwards, which for small counts shifts pulls by some 1/10 of their width.
    assert abs(pulls.mean()) < 0.12
    assert pulls.std() == pytest.approx(1, abs=4 / math.sqrt(2 * n_toys))


@pytest.mark.parametrize(("size", "n"), [(1.0, 3), (1.0, 4), (1.0, 5), (0.005, 4)])
def test_local_significance_without_a_signal_is_half_normal(size: float, n: int) -> None:
    n_toys = 3000
    # In the middle of the spectrum and near its end, for a truth that each order of the function can follow.
    truth = fit_dijet(EXPECTED, CENTRES, 3, sqrt_s=SQRT_S).expected
    found = scan(toys(size * truth, n_toys, 3), gaussian_templates([3500.0, 4450.0], EDGES, width=100.0), n)
    assert found.n_failed == 0
    for z in found.local_z.T:
        positive = z[z > 0]
        assert positive.size == pytest.approx(n_toys / 2, abs=4 * math.sqrt(n_toys / 4))
        assert stats.kstest(positive, stats.halfnorm.cdf).pvalue > 0.01
    # Each mass that is looked at adds a place to find one.
    assert found.statistic.mean() > found.local_z.mean(axis=0).max()


def test_many_spectra_at_once_are_each_of_them() -> None:
    spectra = toys(EXPECTED / 10, 20, 4)
    found = scan(spectra)
    for i, counts in enumerate(spectra):
        one = scan_masses(counts, TEMPLATES, 4, sqrt_s=SQRT_S)
        np.testing.assert_array_equal(found.local_z[i], one.local_z)
        np.testing.assert_array_equal(found.strength[i], one.strength)
        np.testing.assert_array_equal(found.background[i], one.background)
        np.testing.assert_array_equal(found.signal[i], one.signal)
        assert (found[i].best_mass, found.statistic[i]) == (one.best_mass, one.statistic)


@pytest.mark.parametrize("n_events", [100, 300, 1000, 10_000])
def test_hardly_any_fit_fails_even_with_few_events(n_events: int) -> None:
    edge_to_edge = gaussian_templates(np.arange(3050.0, 4551.0, 50.0), EDGES, relative_width=0.03)
    for n in (3, 4, 5):
        found = scan(toys(n_events / EXPECTED.sum() * EXPECTED, 300, 5), edge_to_edge, n)
        assert found.n_failed <= 1
        # Deficits that end where an empty bin would expect less than nothing.
        assert (found.local_z[~found.converged & ~np.isnan(found.local_z)] == 0).all()
        assert np.isfinite(found.background).all()
        assert (found.strength_error[found.converged] > 0).all()


def test_what_cannot_be_fitted_has_no_statistic() -> None:
    only_one_bin = np.zeros(16)
    only_one_bin[3] = 50
    found = scan(np.stack([only_one_bin, EXPECTED]))
    assert found.n_failed == 1
    assert math.isnan(found[0].statistic)
    assert not found.converged[0].any()
    assert np.isnan(found.local_z[0]).all()
    assert np.isfinite(found.background).all()
    assert np.isfinite(found.statistic[1])


def test_a_template_that_is_a_shape_of_the_background_is_not_determined() -> None:
    # df/dp1 itself: any strength of it can be background.
    shape = SignalTemplates(np.array([3500.0]), EDGES, (EXPECTED / EXPECTED.sum())[None])
    found = scan(toys(EXPECTED, 5, 6), shape)
    assert not found.converged.any()


@pytest.mark.parametrize(
    ("counts", "n", "match"),
    [
        (np.ones(15), 4, "do not match"),
        (np.ones((2, 16)), 4, "do not match"),
        (np.full(16, -1.0), 4, "not negative"),
        (np.full(16, np.nan), 4, "not negative"),
        (np.ones(16), 2, "3, 4 or 5"),
    ],
)
def test_refuses(counts: NDArray[np.float64], n: int, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        scan_masses(counts, TEMPLATES, n, sqrt_s=SQRT_S)


def test_refuses_too_few_bins() -> None:
    few = gaussian_templates([3200.0], EDGES[:6], width=100.0)
    with pytest.raises(ArgumentError, match="5 bins cannot be fitted with 4 parameters and a signal"):
        scan_masses(np.ones(5), few, 4, sqrt_s=SQRT_S)
