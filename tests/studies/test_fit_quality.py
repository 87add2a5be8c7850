"""Quality of background functions: F-test, goodness of fit, spurious signal."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.background import dijet_function, fit_dijet, irls_dijet
from hepcs.studies.families import FAMILIES, family_design, fit_family
from hepcs.studies.goodness import goodness_of_fit
from hepcs.studies.orders import compare_orders, f_test
from hepcs.studies.spurious import spurious_signal

SQRT_S = 13_000.0
CENTRES = np.arange(3050.0, 4600.0, 100.0)
X = CENTRES / SQRT_S
PUBLISHED = (0.15239691, 0.85218256, -14.17770188, -3.57107481)
EXPECTED = dijet_function(CENTRES, PUBLISHED, SQRT_S)
# A three-parameter truth, from a fit by hand to the same spectrum.
TRUTH_3 = irls_dijet(EXPECTED[None], CENTRES, 3, sqrt_s=SQRT_S).expected[0]


def toys(expected: NDArray[np.float64], n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected, (n, expected.size)).astype(np.float64)


# ------------------------------------------------------------------------------------------------ F-test


def test_f_by_hand() -> None:
    found = f_test(20.0, 12.0, 3, 4, 16)
    # (20 - 12) / 1 over 12 / 12.
    assert found.f == pytest.approx(8.0)
    # F(1, 12) is the square of Student's t with 12 degrees of freedom.
    assert found.p == pytest.approx(2 * stats.t.sf(8**0.5, 12))
    assert found.p_likelihood_ratio == pytest.approx(2 * stats.norm.sf(8**0.5))
    two = f_test(20.0, 11.0, 3, 5, 16)
    assert two.f == pytest.approx((9 / 2) / (11 / 11))
    assert two.p == pytest.approx(stats.f.sf(4.5, 2, 11))
    # Better by rounding only.
    assert f_test(12.0, 12.0 + 1e-9, 3, 4, 16).p == 1.0


def test_f_is_distributed_as_it_should_be() -> None:
    spectra = toys(TRUTH_3, 1500, 1)
    chi2 = {n: irls_dijet(spectra, CENTRES, n, sqrt_s=SQRT_S).chi2 for n in (3, 4, 5)}
    for simple, full in ((3, 4), (3, 5), (4, 5)):
        found = [f_test(a, b, simple, full, 16) for a, b in zip(chi2[simple], chi2[full], strict=True)]
        assert stats.kstest([one.p for one in found], "uniform").pvalue > 0.005
        assert stats.kstest([one.p_likelihood_ratio for one in found], "uniform").pvalue > 0.005


def test_orders_of_a_spectrum() -> None:
    three = compare_orders(toys(TRUTH_3, 1, 2)[0], CENTRES, sqrt_s=SQRT_S)
    assert [(test.n_simple, test.n_full) for test in three.tests] == [(3, 4), (3, 5), (4, 5)]
    assert three.recommended == 3
    assert three.tests[0].p > 0.05
    # Curvature in ln^2 x that three parameters cannot follow.
    bent = TRUTH_3 * np.exp(12 * np.log(X / X.mean()) ** 2)
    four = compare_orders(toys(bent, 1, 4)[0], CENTRES, sqrt_s=SQRT_S)
    assert four.recommended == 4
    assert four.tests[0].p < 1e-4
    assert compare_orders(toys(bent, 1, 4)[0], CENTRES, sqrt_s=SQRT_S, orders=(3, 4)).recommended == 4


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((20.0, 12.0, 4, 3, 16), "n_simple"),
        ((20.0, 12.0, 3, 4, 4), "n_simple"),
        ((20.0, 0.0, 3, 4, 16), "chi2"),
        ((np.nan, 12.0, 3, 4, 16), "chi2"),
    ],
)
def test_f_refuses(arguments: tuple[float, float, int, int, int], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        f_test(*arguments)


def test_orders_refuse() -> None:
    with pytest.raises(ArgumentError, match="two or more"):
        compare_orders(EXPECTED, CENTRES, sqrt_s=SQRT_S, orders=(4, 4))
    with pytest.raises(ArgumentError, match="alpha"):
        compare_orders(EXPECTED, CENTRES, sqrt_s=SQRT_S, alpha=1.0)
    only_one_bin = np.zeros(16)
    only_one_bin[3] = 50
    with pytest.raises(ComputationError, match="3-parameter fit did not converge"):
        compare_orders(only_one_bin, CENTRES, sqrt_s=SQRT_S)


# --------------------------------------------------------------------------------------- goodness of fit


def test_toys_agree_with_the_asymptotic_p_for_large_counts() -> None:
    fit = fit_dijet(toys(EXPECTED, 1, 5)[0], CENTRES, 4, sqrt_s=SQRT_S)
    found = goodness_of_fit(fit, rng=np.random.default_rng(6), n_toys=4000)
    for one in (found.likelihood_ratio, found.pearson):
        assert one.p_asymptotic == pytest.approx(stats.chi2.sf(one.value, 12))
        assert one.p == pytest.approx(one.p_asymptotic, abs=5 * (0.25 / 4000) ** 0.5)
        assert one.n_toys == 4000 - found.n_failed
        assert one.p == (one.n_above + 1) / (one.n_toys + 1)
    assert (found.likelihood_ratio.value, found.pearson.value) == (fit.chi2, fit.pearson_chi2)


def test_toys_know_better_for_small_counts() -> None:
    # Some six events a bin: Baker and Cousins' chi2 is larger than its asymptotic distribution.
    small = TRUTH_3 * (100 / TRUTH_3.sum())
    rng = np.random.default_rng(7)
    found = [
        goodness_of_fit(fit_dijet(counts, CENTRES, 3, sqrt_s=SQRT_S), rng=rng, n_toys=200).likelihood_ratio
        for counts in toys(small, 200, 8)
    ]
    assert np.mean([one.p for one in found]) == pytest.approx(0.5, abs=0.06)
    assert np.mean([one.p - one.p_asymptotic for one in found]) > 0.04


def test_a_bump_is_no_good_fit() -> None:
    counts = toys(EXPECTED, 1, 9)[0]
    counts[5] += 7 * np.sqrt(counts[5])
    found = goodness_of_fit(fit_dijet(counts, CENTRES, 4, sqrt_s=SQRT_S), rng=np.random.default_rng(1))
    assert found.likelihood_ratio.n_above == found.pearson.n_above == 0
    assert found.likelihood_ratio.p == 1 / 1001


def test_goodness_refuses() -> None:
    fit = fit_dijet(EXPECTED, CENTRES, 3, sqrt_s=SQRT_S)
    with pytest.raises(ArgumentError, match="converge"):
        goodness_of_fit(replace(fit, converged=False), rng=np.random.default_rng(1))
    with pytest.raises(ArgumentError, match="n_toys"):
        goodness_of_fit(fit, rng=np.random.default_rng(1), n_toys=3)


# --------------------------------------------------------------------------------------- families, bias


def ua2(parameters: tuple[float, ...]) -> NDArray[np.float64]:
    """The UA2 function, written out again."""
    p1, p2, p3, p4 = parameters
    return p1 * X**p2 * np.exp(p3 * X + p4 * X**2)


def test_families_follow_their_own_functions() -> None:
    truth = ua2((2e3, -5.0, -8.0, 3.0))
    found = fit_family(truth[None], CENTRES, "ua2", sqrt_s=SQRT_S)
    np.testing.assert_allclose(found.expected[0], truth, rtol=1e-7)
    assert found.n_parameters == 4
    for n in (3, 4, 5):
        one = fit_family(EXPECTED[None], CENTRES, f"dijet_{n}", sqrt_s=SQRT_S)  # type: ignore[arg-type]
        np.testing.assert_allclose(
            one.expected, irls_dijet(EXPECTED[None], CENTRES, n, sqrt_s=SQRT_S).expected, rtol=1e-9
        )
    with pytest.raises(ArgumentError, match="unknown family"):
        family_design("cubic", CENTRES, SQRT_S)  # type: ignore[arg-type]


def test_no_bias_where_the_function_is_right() -> None:
    found = spurious_signal(
        EXPECTED, CENTRES, "dijet_4", "dijet_4", sqrt_s=SQRT_S, rng=np.random.default_rng(1)
    )
    # Eight of sixteen bins within one standard error each, none beyond four.
    assert np.abs(found.bias / found.bias_error).max() < 4
    assert np.abs(found.bias_of_mean).max() < 1e-4
    assert found.false_positive_low - 0.005 < 0.05 < found.false_positive_high + 0.005
    # Sixteen bins, four of them used up by the fit: sum of the variances.
    assert (found.width**2).sum() == pytest.approx(12, rel=0.05)


def test_bias_of_a_wrong_function_is_what_a_fit_by_hand_says() -> None:
    # A spectrum that bends more than three parameters can: the truth is the four-parameter function.
    bent = TRUTH_3 * np.exp(12 * np.log(X / X.mean()) ** 2)
    found = spurious_signal(bent, CENTRES, "dijet_3", "dijet_4", sqrt_s=SQRT_S, rng=np.random.default_rng(2))
    np.testing.assert_allclose(found.truth, bent, rtol=1e-6)
    columns = np.array([np.ones(16), np.log(1 - X) + 0.3, np.log(X) + 1.3]).T

    def cost(parameters: NDArray[np.float64]) -> float:
        mean = np.exp(columns @ parameters)
        return float((mean - bent * np.log(mean)).sum())

    start = np.linalg.lstsq(columns, np.log(bent), rcond=None)[0]
    fitted = optimize.minimize(cost, start, method="BFGS").x
    fitted = optimize.minimize(cost, fitted, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}).x
    by_hand = (bent - np.exp(columns @ fitted)) / np.sqrt(np.exp(columns @ fitted))
    np.testing.assert_allclose(found.bias_of_mean, by_hand, atol=0.02)
    assert np.abs(by_hand).max() > 0.5
    # The toys agree with the mean, and the search finds too much.
    assert np.abs((found.bias - by_hand) / found.bias_error).max() < 4
    assert found.largest_bias == found.bias.max() == found.bias[found.largest_bias_bin]
    assert found.false_positive_low > 0.06
    np.testing.assert_allclose(found.spurious_events, found.bias * np.sqrt(found.truth))


def test_all_pairs_of_families() -> None:
    for fitted in FAMILIES:
        for generating in FAMILIES:
            found = spurious_signal(
                EXPECTED / 2,
                CENTRES,
                fitted,
                generating,
                sqrt_s=SQRT_S,
                rng=np.random.default_rng(3),
                n_toys=100,
            )
            assert np.isfinite(found.bias).all()
            assert (found.fitted, found.generating) == (fitted, generating)
            assert all(
                np.isfinite(getattr(found, field.name)).all()
                for field in dataclasses.fields(found)
                if field.name not in {"fitted", "generating"}
            )


def test_spurious_signal_refuses() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ArgumentError, match="n_toys"):
        spurious_signal(EXPECTED, CENTRES, "dijet_3", "ua2", sqrt_s=SQRT_S, rng=rng, n_toys=2)
    only_one_bin = np.zeros(16)
    only_one_bin[3] = 50
    with pytest.raises(ComputationError, match="cannot be fitted to the spectrum"):
        spurious_signal(only_one_bin, CENTRES, "dijet_3", "ua2", sqrt_s=SQRT_S, rng=rng)
    with pytest.raises(ComputationError, match="did not converge, more than"):
        spurious_signal(TRUTH_3 / 40_000, CENTRES, "dijet_5", "dijet_3", sqrt_s=SQRT_S, rng=rng)
