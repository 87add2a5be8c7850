"""Upper limits by CLs, against a case with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from hepcs._core.errors import ArgumentError
from hepcs.studies.limits import CrossSectionLimits, Limit, upper_limits

EPSILONS = (50, *range(75, 425, 25), 600)


def gaussian_case(n: int = 20000) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """t ~ N(epsilon / 100, 1)."""
    rng = np.random.default_rng(1)
    return rng.normal(size=n), {epsilon: rng.normal(epsilon / 100, 1, n) for epsilon in EPSILONS}


def exact(t: float, alpha: float = 0.05) -> float:
    """Epsilon with Phi(t - epsilon / 100) = alpha Phi(t)."""
    return float(brentq(lambda e: stats.norm.cdf(t - e / 100) - alpha * stats.norm.cdf(t), 0, 2000))


def test_gaussian_statistics() -> None:
    """Expected limits at t = -2 ... 2 and an observed one, each solved independently."""
    null, doped = gaussian_case()
    found = upper_limits(null, doped, rng=np.random.default_rng(2), observed=0.7)
    for limit, z in zip(found.expected, (-2, -1, 0, 1, 2), strict=True):
        assert limit.bound is None
        assert limit.epsilon == pytest.approx(exact(z), rel=0.04)
    assert found.observed is not None
    assert found.observed.epsilon == pytest.approx(exact(0.7), rel=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low < exact(0) + 5
    assert found.high > exact(0) - 5
    assert found.high - found.low < 20
    assert found.reaches
    assert "enough for limits at 95%" in found.text


def test_confidence_orders_the_limits() -> None:
    null, doped = gaussian_case(4000)
    limits = [
        upper_limits(null, doped, rng=np.random.default_rng(2), confidence=level, n_bootstrap=20).expected[2]
        for level in (0.68, 0.9, 0.95, 0.99)
    ]
    found = [limit.epsilon for limit in limits]
    assert found == sorted(found)  # type: ignore[type-var]


def test_coverage() -> None:
    """A true signal of 250 is excluded in at most 5 % of the data sets (CLs covers too much)."""
    null, doped = gaussian_case(4000)
    rng = np.random.default_rng(3)
    limits = [
        upper_limits(null, doped, rng=rng, observed=float(t), n_bootstrap=0).observed
        for t in rng.normal(2.5, 1, 300)
    ]
    excluded = sum(
        limit is not None and limit.bound != "lower" and limit.epsilon is not None and limit.epsilon < 250
        for limit in limits
    )
    assert excluded / 300 < 0.09


def test_limits_outside_of_the_list_are_bounds() -> None:
    null, doped = gaussian_case(2000)
    rng = np.random.default_rng(4)
    small = {epsilon: doped[epsilon] for epsilon in (50, 100)}
    assert upper_limits(null, small, rng=rng, n_bootstrap=20).expected[2] == Limit(100.0, "lower")
    large = {epsilon: doped[epsilon] for epsilon in (400, 600)}
    found = upper_limits(null, large, rng=rng, n_bootstrap=20)
    assert found.expected[2] == Limit(400.0, "upper")
    assert found.low is None
    assert found.high is None


def test_data_below_all_of_the_background_exclude_nothing() -> None:
    null, doped = gaussian_case(1000)
    found = upper_limits(null, doped, rng=np.random.default_rng(5), observed=-50.0, n_bootstrap=20)
    assert found.observed == Limit(None, None)


def test_limits_rise_with_the_statistic_or_are_not_known() -> None:
    """At -1 standard deviation the least CLs of 60 doped ones is 0.5 / 60 / 0.16 = 0.053: too much."""
    null, doped = gaussian_case(4000)
    few = {epsilon: values[:60] for epsilon, values in doped.items()}
    expected = upper_limits(null, few, rng=np.random.default_rng(8), n_bootstrap=20).expected
    assert expected[0] == expected[1] == Limit(None, None)
    known = [limit.epsilon for limit in expected[2:]]
    assert known == sorted(known)  # type: ignore[type-var]


def test_too_few_doped_pseudo_experiments_say_so() -> None:
    null, doped = gaussian_case(1000)
    few = {epsilon: values[:20] for epsilon, values in doped.items()}
    found = upper_limits(null, few, rng=np.random.default_rng(6), n_bootstrap=20)
    # Half of the background lies at the median or below: one of 20 is a CLs of 0.1.
    assert found.resolution == pytest.approx(0.1)
    assert not found.reaches
    assert "too few" in found.text


def test_statistics_that_could_not_be_computed_are_left_out() -> None:
    null, doped = gaussian_case(1000)
    with_gaps = {epsilon: np.append(values, np.nan) for epsilon, values in doped.items()}
    one, other = (
        upper_limits(null, values, rng=np.random.default_rng(7), n_bootstrap=20)
        for values in (doped, with_gaps)
    )
    assert one.expected == other.expected
    assert other.n_doped[50] == 1000


@pytest.mark.parametrize(
    ("null", "doped", "confidence", "message"),
    [
        (np.zeros(5), {1: np.ones(10)}, 0.95, "ten or more background-only"),
        (np.arange(20.0), {}, 0.95, "epsilon above 0"),
        (np.arange(20.0), {0: np.ones(10)}, 0.95, "epsilon above 0"),
        (np.arange(20.0), {5: np.full(3, np.nan)}, 0.95, "epsilon = 5: no valid statistic"),
        (np.arange(20.0), {5: np.ones(3)}, 1.0, r"lies in \(0, 1\), found 1"),
    ],
)
def test_bad_arguments(
    null: np.ndarray, doped: dict[int, np.ndarray], confidence: float, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        upper_limits(null, doped, rng=np.random.default_rng(1), confidence=confidence)


def test_expected_limits_rise_however_few_pseudo_experiments_there_are() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        doped = {epsilon: rng.normal(epsilon / 100, 1, 40) for epsilon in range(100, 700, 100)}
        found = upper_limits(rng.normal(size=400), doped, rng=rng, n_bootstrap=0).expected
        known = [np.inf if limit.bound == "lower" else limit.epsilon for limit in found]
        values = [value for value in known if value is not None]
        assert values == sorted(values)


def test_a_cross_section_is_the_number_of_events_over_acceptance_times_luminosity() -> None:
    null, doped = gaussian_case(2000)
    limits = upper_limits(null, doped, rng=np.random.default_rng(2), observed=0.7, n_bootstrap=0)
    found = CrossSectionLimits(limits, luminosity=36.0, acceptance=0.25, acceptance_error=0.002)
    assert limits.observed is not None and limits.observed.epsilon is not None
    assert found.observed == pytest.approx(limits.observed.epsilon / 9)
    assert [one is None for one in found.expected] == [one.epsilon is None for one in limits.expected]
    assert found.of(Limit(None, None)) is None
    assert found.text == ("acceptance 0.25 +- 0.002 of the selection, luminosity 36 / fb: one fb is 9 events")
    for luminosity, acceptance in ((0.0, 0.2), (1.0, 0.0), (1.0, 1.2)):
        with pytest.raises(ArgumentError, match="needs an acceptance"):
            CrossSectionLimits(limits, luminosity, acceptance, 0.0)
