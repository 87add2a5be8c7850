"""Dijet function and its fits: published numbers, score equations, pulls, and fits that must not converge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import poisson_chi2
from numpy.typing import NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.background import DijetFit, dijet_function, fit_dijet, irls_dijet

SQRT_S = 13_000.0
CENTRES = np.arange(3050.0, 4600.0, 100.0)
PUBLISHED = (0.15239691, 0.85218256, -14.17770188, -3.57107481)
EXPECTED = dijet_function(CENTRES, PUBLISHED, SQRT_S)
SMALL = EXPECTED * (30_000 / EXPECTED.sum())


#: A 3-parameter function of as many events.
TRUE_3 = irls_dijet(SMALL[None], CENTRES, 3, sqrt_s=SQRT_S).expected[0]


def toys(expected: NDArray[np.float64], n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected, (n, expected.size)).astype(np.float64)


def fit(counts: NDArray[np.float64], n_parameters: int) -> DijetFit:
    return fit_dijet(counts, CENTRES, n_parameters, sqrt_s=SQRT_S)


def log_columns(n_parameters: int) -> NDArray[np.float64]:
    """d ln f / d (ln p1, p2, ...), written out again."""
    x = CENTRES / SQRT_S
    return np.array([np.ones(16), np.log(1 - x), np.log(x), np.log(x) ** 2, np.log(x) ** 3])[:n_parameters]


# ------------------------------------------------------------------------------------------- the function


def test_published_parameters_give_the_published_counts() -> None:
    assert round(EXPECTED[0]) == 56_366
    assert round(EXPECTED[-1]) == 6_002
    assert EXPECTED.sum() == pytest.approx(380_000, rel=0.01)


def test_function_by_hand() -> None:
    # x = 1/2: 8 (1/2)^2 (1/2)^1 = 1.
    assert float(dijet_function(500.0, [8, 2, 1], 1000.0)) == pytest.approx(1.0)
    # x = 1/e, ln x = -1: 2 e^-(3 - 4 + 5) = 2 e^-4.
    found = float(dijet_function(1000.0 / math.e, [2, 0, 3, 4, 5], 1000.0))
    assert found == pytest.approx(2 * math.exp(-4))
    # Parameters left out are zero.
    np.testing.assert_array_equal(dijet_function(CENTRES, (*PUBLISHED, 0), SQRT_S), EXPECTED)


@pytest.mark.parametrize(
    ("masses", "parameters", "match"),
    [
        ([3000.0, 13_000.0], PUBLISHED, "m_jj"),
        ([-1.0], PUBLISHED, "m_jj"),
        ([math.nan], PUBLISHED, "m_jj"),
        ([3000.0], (0.0, 1.0, 1.0), "p1 > 0"),
        ([3000.0], (1.0, math.nan), "finite"),
        ([3000.0], (1.0,) * 6, "1 to 5"),
    ],
)
def test_function_refuses(masses: list[float], parameters: tuple[float, ...], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        dijet_function(masses, parameters, SQRT_S)


# ------------------------------------------------------------------------------------------------ the fit


def test_fit_of_the_curve_itself() -> None:
    result = fit(EXPECTED, 4)
    assert result.converged
    np.testing.assert_allclose(result.expected, EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(result.parameters[:4], PUBLISHED, rtol=1e-3)
    assert result.parameters[4] == 0
    assert result.chi2 < 1e-6
    assert result.ndof == 12
    assert result.p_value == pytest.approx(1.0)
    masses = np.array([3123.0, 4567.0])
    np.testing.assert_allclose(result.curve(masses), dijet_function(masses, PUBLISHED, SQRT_S), rtol=1e-6)


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_score_equations(n_parameters: int) -> None:
    # At the maximum of a Poisson likelihood with ln f linear in the parameters, data and fit have the same
    # sums of every column of the design: of the counts, of ln(1 - x), of ln x, ...
    for counts in (*toys(EXPECTED, 3, 1), *toys(SMALL, 3, 2), *toys(EXPECTED / 4000, 3, 3)):
        result = fit(counts, n_parameters)
        assert result.converged
        columns = log_columns(n_parameters)
        np.testing.assert_allclose(columns @ result.expected, columns @ counts, rtol=1e-5)


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_covariance_of_the_curve_is_the_inverse_fisher_matrix(n_parameters: int) -> None:
    # In units of the Poisson errors, the covariance of the curve projects on the columns of the design.
    result = fit(toys(EXPECTED, 1, 4)[0], n_parameters)
    root = np.sqrt(result.expected)
    projector = result.expected_covariance / np.outer(root, root)
    columns = log_columns(n_parameters) * root
    np.testing.assert_allclose(projector @ columns.T, columns.T, rtol=1e-4)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-5)
    assert np.trace(projector) == pytest.approx(n_parameters, rel=1e-5)


@pytest.mark.parametrize("n_parameters", [3, 4])
def test_covariance_of_the_parameters_is_the_inverse_fisher_matrix(n_parameters: int) -> None:
    result = fit(toys(EXPECTED, 1, 4)[0], n_parameters)
    columns = log_columns(n_parameters)
    np.testing.assert_allclose(
        result.log_covariance, np.linalg.inv((columns * result.expected) @ columns.T), rtol=1e-3
    )
    band = columns.T @ result.log_covariance @ columns * np.outer(result.expected, result.expected)
    np.testing.assert_allclose(np.diag(band), result.expected_error**2, rtol=1e-3)


def test_covariance_of_p1_has_its_jacobian() -> None:
    result = fit(toys(EXPECTED, 1, 5)[0], 3)
    p1 = result.parameters[0]
    assert result.is_representable
    assert result.covariance[0, 0] == pytest.approx(p1**2 * result.log_covariance[0, 0])
    assert result.covariance[0, 1] == pytest.approx(p1 * result.log_covariance[0, 1])
    assert result.covariance[1, 2] == result.log_covariance[1, 2]
    np.testing.assert_allclose(
        dijet_function(CENTRES, result.parameters[:3], SQRT_S), result.expected, rtol=1e-9
    )


def test_chi2_is_that_of_iminuit_and_minimal() -> None:
    counts = toys(EXPECTED, 1, 6)[0]
    result = fit(counts, 4)
    assert result.chi2 == pytest.approx(poisson_chi2(counts, result.expected), abs=1e-6)
    assert result.pearson_chi2 == pytest.approx(stats.chisquare(counts, result.expected).statistic)
    assert result.p_value == pytest.approx(stats.chi2.sf(result.chi2, 12))
    assert result.chi2 == pytest.approx(result.pearson_chi2, rel=0.05)
    assert 0 <= result.edm < 1e-6
    assert result.n_calls < 100
    columns = log_columns(4)
    rng = np.random.default_rng(7)
    for step in rng.multivariate_normal(np.zeros(4), result.log_covariance * 0.01, 50):
        moved = np.exp(columns.T @ (result.log_parameters[:4] + step))
        assert poisson_chi2(counts, moved) > result.chi2


def test_plain_minuit_in_the_parameters_themselves_ends_nowhere_better() -> None:
    counts = toys(EXPECTED, 1, 8)[0]

    def cost(log_p1: float, p2: float, p3: float, p4: float) -> float:
        x = CENTRES / SQRT_S
        log_f = log_p1 + p2 * np.log(1 - x) + p3 * np.log(x) + p4 * np.log(x) ** 2
        return float(poisson_chi2(counts, np.exp(log_f)))

    plain = Minuit(cost, math.log(PUBLISHED[0]), *PUBLISHED[1:])
    plain.errordef = Minuit.LEAST_SQUARES
    plain.strategy = 2
    plain.migrad(ncall=20_000)
    result = fit(counts, 4)
    assert plain.fval is not None
    assert result.chi2 <= plain.fval + 1e-6
    assert result.chi2 == pytest.approx(plain.fval, abs=0.01)


def test_start_changes_nothing() -> None:
    counts = toys(EXPECTED, 1, 9)[0]
    result = fit(counts, 4)
    for start in ([math.log(PUBLISHED[0]), *PUBLISHED[1:]], np.zeros(5), [1e3, -1e3, 0, 500.0]):
        other = fit_dijet(counts, CENTRES, 4, sqrt_s=SQRT_S, start=start)
        assert other.converged
        difference = (other.expected - result.expected) / result.expected_error
        assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_every_toy_converges(n_parameters: int) -> None:
    n = 1000 if n_parameters == 4 else 250
    assert all(fit(counts, n_parameters).converged for counts in toys(EXPECTED, n, 10))
    assert all(fit(counts, n_parameters).converged for counts in toys(SMALL, 250, 11))


def test_pulls_and_goodness_of_fit() -> None:
    truth = np.array([math.log(PUBLISHED[0]), *PUBLISHED[1:]])
    columns = log_columns(4)
    root = np.linalg.cholesky((columns * EXPECTED) @ columns.T)
    results = [fit(counts, 4) for counts in toys(EXPECTED, 400, 12)]
    # Deviations from the truth in coordinates where the covariance is the unit matrix.
    whitened = np.array([root.T @ (result.log_parameters[:4] - truth) for result in results])
    assert np.abs(whitened.mean(axis=0)).max() < 4 / math.sqrt(400)
    assert np.abs(whitened.std(axis=0) - 1).max() < 4 / math.sqrt(800)
    assert stats.kstest((whitened**2).sum(axis=1), stats.chi2(4).cdf).pvalue > 0.01
    assert np.abs(np.corrcoef(whitened.T) - np.eye(4)).max() < 4 / math.sqrt(400)
    assert stats.kstest([result.p_value for result in results], "uniform").pvalue > 0.01
    pulls = np.array([(result.expected - EXPECTED) / result.expected_error for result in results])
    assert np.abs(pulls.std(axis=0) - 1).max() < 4 / math.sqrt(800)


def test_a_wrong_function_shows_in_the_p_value() -> None:
    bump = EXPECTED + 1500 * np.exp(-0.5 * ((CENTRES - 3550) / 100) ** 2)
    assert fit(bump, 3).p_value < 1e-6


def test_bins_without_counts_are_data() -> None:
    counts = np.array([9, 7, 0, 4, 3, 0, 2, 1, 0, 1, 0, 0, 1, 0, 0, 0], dtype=float)
    result = fit(counts, 3)
    assert result.converged
    assert result.expected.sum() == pytest.approx(counts.sum(), rel=1e-5)
    assert result.chi2 == pytest.approx(
        2
        * sum(b - s + (s * math.log(s / b) if s else 0) for s, b in zip(counts, result.expected, strict=True))
    )


@pytest.mark.parametrize(
    "counts", [[0] * 16, [100] + [0] * 15, [0] * 15 + [5], [10, 20] + [0] * 14, [1e6] + [0] * 14 + [1]]
)
@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_what_the_data_do_not_determine_does_not_converge(counts: list[float], n_parameters: int) -> None:
    result = fit(np.array(counts, dtype=float), n_parameters)
    assert not result.converged
    numbers = (result.chi2, result.p_value, result.edm, result.pearson_chi2)
    assert np.isfinite(numbers).all()
    for array in (result.expected, result.log_parameters, result.log_covariance, result.expected_covariance):
        assert np.isfinite(array).all()
    assert not irls_dijet([counts], CENTRES, n_parameters, sqrt_s=SQRT_S).converged[0]


def test_p1_beyond_a_float_is_said_and_harms_nothing() -> None:
    results = [fit(counts, 5) for counts in toys(SMALL, 40, 13)]
    beyond = [result for result in results if not result.is_representable]
    assert beyond
    for result in beyond:
        assert result.converged
        assert np.isfinite(result.log_parameters).all()
        np.testing.assert_allclose(result.curve(CENTRES), result.expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("counts", "n_parameters", "match"),
    [
        (np.ones(16), 6, "n_parameters = 6"),
        (np.ones(15), 4, "15"),
        (np.ones((2, 16)), 4, "shape"),
        (-np.ones(16), 4, "negative"),
        (np.full(16, math.nan), 4, "finite"),
    ],
)
def test_fit_refuses(counts: NDArray[np.float64], n_parameters: int, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        fit(counts, n_parameters)


def test_fit_refuses_too_few_bins_and_bad_starts() -> None:
    with pytest.raises(ArgumentError, match="4 bins"):
        fit_dijet(np.ones(4), CENTRES[:4], 4, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="start"):
        fit_dijet(EXPECTED, CENTRES, 4, sqrt_s=SQRT_S, start=[1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match="m_jj"):
        fit_dijet(EXPECTED, CENTRES, 4, sqrt_s=4000.0)


# ------------------------------------------------------------------------------------- many spectra at once


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_regression_and_iminuit_agree(n_parameters: int) -> None:
    counts = np.concatenate([toys(EXPECTED, 20, 14), toys(SMALL, 20, 15), toys(EXPECTED / 4000, 20, 16)])
    many = irls_dijet(counts, CENTRES, n_parameters, sqrt_s=SQRT_S)
    assert many.n_failed == 0
    assert many.expected.shape == counts.shape
    for i, spectrum in enumerate(counts):
        result = fit(spectrum, n_parameters)
        assert np.abs((many.expected[i] - result.expected) / result.expected_error).max() < 1e-3
        assert many.chi2[i] == pytest.approx(result.chi2, abs=1e-6)
        columns = log_columns(n_parameters)
        curve = np.exp(columns.T @ many.log_parameters[i, :n_parameters])
        np.testing.assert_allclose(curve, result.expected, rtol=1e-3)


def test_regression_takes_each_spectrum_by_itself() -> None:
    counts = np.concatenate([toys(SMALL, 5, 17), [[100.0] + [0.0] * 15]])
    together = irls_dijet(counts, CENTRES, 4, sqrt_s=SQRT_S)
    np.testing.assert_array_equal(together.converged, [True] * 5 + [False])
    assert together.n_failed == 1
    alone = irls_dijet(counts[2:3], CENTRES, 4, sqrt_s=SQRT_S)
    np.testing.assert_allclose(together.expected[2], alone.expected[0], rtol=1e-9)


# ------------------------------------------------------------------------------------ sums of weights


def test_sums_of_weights_are_fitted_without_bias_and_with_the_right_errors() -> None:
    # Slices of a phase space: an event of the lower half counts ten times one of the upper.
    weight = np.where(CENTRES < 3800, 2.0, 0.2)
    rng = np.random.default_rng(11)
    pulls, chi2 = [], []
    for _ in range(300):
        sums = rng.poisson(TRUE_3 / weight) * weight
        found = fit_dijet(sums, CENTRES, 3, sqrt_s=SQRT_S, variances=sums * weight)
        assert found.converged
        pulls.append((found.expected - TRUE_3) / found.expected_error)
        chi2.append(found.chi2)
    assert np.abs(np.mean(pulls, axis=0)).max() < 4.5 / np.sqrt(300)
    np.testing.assert_allclose(np.std(pulls, axis=0), 1.0, atol=0.2)
    assert np.mean(chi2) == pytest.approx(13, abs=4 * np.sqrt(26 / 300))


def test_a_fit_of_weights_scales_with_them() -> None:
    counts = toys(SMALL, 1, 12)[0]
    plain = fit(counts, 4)
    scaled = fit_dijet(counts * 0.1, CENTRES, 4, sqrt_s=SQRT_S, variances=counts * 0.01)
    np.testing.assert_allclose(scaled.expected, plain.expected * 0.1, rtol=1e-6)
    np.testing.assert_allclose(scaled.expected_error, plain.expected_error * 0.1, rtol=1e-4)
    assert scaled.chi2 == pytest.approx(plain.chi2, rel=1e-6)


@pytest.mark.parametrize("variances", [np.ones(3), -np.ones(16), np.zeros(16)])
def test_variances_that_are_none_are_refused(variances: NDArray[np.float64]) -> None:
    with pytest.raises(ArgumentError, match=r"variances must be|no weight"):
        fit_dijet(SMALL, CENTRES, 3, sqrt_s=SQRT_S, variances=variances)
