"""Local significance: sums in exact decimal arithmetic, limits, and tails far beyond a float."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.statistics.significance import (
    local_significance,
    log_p_to_z,
    log_poisson_tail,
    maximum_local_significance,
    p_to_z,
    without_estimate,
    z_to_log_p,
    z_to_p,
)


def log_tail_by_summation(observed: int, expected: float) -> float:
    """ln P(N > S), term by term with 50 digits."""
    with localcontext() as context:
        context.prec = 50
        mean = Decimal(expected)
        term = total = Decimal(1)
        i = observed + 1
        while term > total * Decimal("1e-40"):
            i += 1
            term *= mean / i
            total += term
        first = (observed + 1) * mean.ln() - mean - Decimal(math.factorial(observed + 1)).ln()
        return float(first + total.ln())


def log_normal_tail(z: float) -> float:
    """ln(1 - Phi(z)) for large z, by the asymptotic series."""
    series = 1 - 1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8
    return -(z**2) / 2 - math.log(z * math.sqrt(2 * math.pi)) + math.log(series)


def test_gaussian_by_hand() -> None:
    z = local_significance([130, 100, 60, 9], [100, 100, 100, 4])
    np.testing.assert_allclose(z, [3, 0, 0, 2.5], rtol=1e-15)


def test_exact_by_hand() -> None:
    # P(N > 3) for B = 1: 1 - (1 + 1 + 1/2 + 1/6) / e = 0.018988.
    tail = 1 - (1 + 1 + 1 / 2 + 1 / 6) / math.e
    z = local_significance([3], [1.0], "exact")
    assert z[0] == pytest.approx(stats.norm.isf(tail), rel=1e-12)
    assert z[0] == pytest.approx(2.0751, abs=1e-4)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (1, 0.01),
        (60, 0.5),
        (12, 3.0),
        (171, 100.0),
        (1131, 1000.0),
        (1140, 1000.0),
        (1500, 1000.0),
        (9000, 5000.0),
    ],
)
def test_log_tail_equals_the_sum(observed: int, expected: float) -> None:
    found = float(log_poisson_tail(observed, expected))
    assert found == pytest.approx(log_tail_by_summation(observed, expected), rel=1e-12)


@pytest.mark.parametrize(("observed", "expected"), [(4000, 1000.0), (9500, 5000.0), (700, 20.0)])
def test_exact_beyond_fifty_standard_deviations(observed: int, expected: float) -> None:
    z = float(local_significance(observed, expected, "exact"))
    assert 50 < z < 1000
    # Not through the function under test: the tail of the normal distribution at z is the Poisson tail.
    assert log_normal_tail(z) == pytest.approx(log_tail_by_summation(observed, expected), rel=1e-9)


def test_exact_stays_finite() -> None:
    z = local_significance([10**6, 10**9, 5, 2000], [1.0, 1.0, 1e-300, 1e-300], "exact")
    assert np.isfinite(z).all()
    assert (z > 30).all()


@pytest.mark.parametrize("expected", [0.3, 40.0, 56_366.0, 1e6])
def test_exact_grows_smoothly_with_the_excess(expected: float) -> None:
    observed = np.arange(math.ceil(expected) + 1, math.ceil(expected + 60 * math.sqrt(expected)) + 40)
    observed = observed[:: max(1, observed.size // 2000)]
    z = local_significance(observed, np.full(observed.size, expected), "exact")
    assert (np.diff(z) > 0).all()
    # No step where one way of computing the tail gives way to the next.
    slope = np.diff(z) / np.diff(observed)
    assert np.abs(np.diff(slope) / slope[1:]).max() < (0.2 if expected < 1 else 0.03)


def test_exact_tends_to_gaussian_like_one_over_root_b() -> None:
    # For an excess of z standard deviations the difference is (1/2 - (z^2 - 1) / 6) / sqrt(B) to first order:
    # half a count, as S itself is not in the tail, and the skewness of the Poisson distribution.
    for z in (3.0, 5.0):
        for expected in (1e4, 1e6, 1e8):
            observed = expected + z * math.sqrt(expected)
            difference = float(local_significance(observed, expected, "exact")) - z
            predicted = (0.5 - (z**2 - 1) / 6) / math.sqrt(expected)
            assert difference == pytest.approx(predicted, rel=6 / math.sqrt(expected) * z, abs=1e-7)


@pytest.mark.parametrize("form", ["gaussian", "exact"])
def test_only_excesses_count(form: str) -> None:
    expected = np.array([0.2, 1.0, 5.5, 100.0, 0.0])
    assert (local_significance(np.floor(expected), expected, form) == 0).all()  # type: ignore[arg-type]
    assert (local_significance(np.zeros(5), expected, form) == 0).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["gaussian", "exact"])
def test_no_estimate_is_no_excess_and_can_be_counted(form: str) -> None:
    observed, expected = [7, 0, 7], [0.0, 0.0, 1.0]
    z = local_significance(observed, expected, form)  # type: ignore[arg-type]
    assert z[0] == z[1] == 0
    assert z[2] > 3
    np.testing.assert_array_equal(without_estimate(observed, expected), [True, False, False])


@pytest.mark.parametrize("form", ["gaussian", "exact"])
def test_stacks_of_spectra(form: str) -> None:
    rng = np.random.default_rng(1)
    expected = np.linspace(3, 900, 16)
    observed = rng.poisson(expected, (6, 16))
    z = local_significance(observed, expected, form)  # type: ignore[arg-type]
    assert z.shape == (6, 16)
    for row in range(6):
        one = local_significance(observed[row], expected, form)  # type: ignore[arg-type]
        np.testing.assert_array_equal(z[row], one)
        statistic = maximum_local_significance(observed[row], expected, form)  # type: ignore[arg-type]
        assert statistic == one.max()


def test_false_positive_rate_of_the_exact_form() -> None:
    # P(Z > 2) is at most the probability of N >= s, for the smallest s with Z(s) > 2.
    counts = np.random.default_rng(2).poisson(4.0, 200_000)
    rate = float((local_significance(counts, np.full(counts.size, 4.0), "exact") > 2).mean())
    # s = 8, from P(N > 8) = 0.0214 < 0.0228 < P(N > 7) = 0.0511; P(N >= 8) is 0.0511.
    assert rate == pytest.approx(0.0511, abs=0.002)


@pytest.mark.parametrize(
    ("observed", "expected", "match"),
    [
        ([1.0, -1.0], [1.0, 1.0], "observed"),
        ([1.0, math.nan], [1.0, 1.0], "observed"),
        ([1.0, 1.0], [1.0, -0.1], "expected"),
        ([1.0, 1.0], [1.0, math.inf], "expected"),
        ([1.0, 1.0], [1.0, 1.0, 1.0], "shape"),
    ],
)
def test_refuses_bad_counts(observed: list[float], expected: list[float], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        local_significance(observed, expected)


def test_refuses_other_misuse() -> None:
    with pytest.raises(ArgumentError, match="unknown form"):
        local_significance([1], [1], "asimov")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="shape"):
        maximum_local_significance([[1]], [[1]])
    with pytest.raises(ArgumentError, match="shape"):
        maximum_local_significance([], [])
    with pytest.raises(ArgumentError, match="above 0"):
        log_poisson_tail(3, 0)


def test_p_and_z() -> None:
    # One-sided five and three standard deviations, from tables.
    np.testing.assert_allclose(p_to_z([2.866515719e-7, 1.349898032e-3, 0.5]), [5, 3, 0], atol=1e-9)
    np.testing.assert_allclose(z_to_p([5.0, 3.0, 0.0]), [2.866515719e-7, 1.349898032e-3, 0.5], rtol=1e-9)
    assert float(p_to_z(0.0)) == math.inf
    assert float(p_to_z(1.0)) == -math.inf
    for z in (20.0, 100.0, 1e4):
        assert float(z_to_log_p(z)) == pytest.approx(log_normal_tail(z), rel=1e-9)
        assert float(log_p_to_z(log_normal_tail(z))) == pytest.approx(z, rel=1e-9)


@pytest.mark.parametrize("p", [-1e-9, 1.1, math.nan])
def test_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ArgumentError, match="p-value"):
        p_to_z(p)
    with pytest.raises(ArgumentError, match="logarithm"):
        log_p_to_z(abs(p))
