"""Upper limits by CLs, against a case with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from hepcs._core.errors import ArgumentError
from hepcs.studies.limits import CrossSectionLimits, Limit, limit_coverage, upper_limits

EPSILONS = (50, *range(75, 425, 25), 600)


def gaussian_case(n: int = 2000) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """t ~ N(epsilon / 100, 1)."""
    rng = np.random.default_rng(2)
    return rng.normal(size=n), {epsilon: rng.normal(epsilon / 100, 1, n) for epsilon in EPSILONS}


def exact(t: float, alpha: float = 0.05) -> float:
    """Epsilon with Phi(t - epsilon / 100) = alpha Phi(t)."""
    return float(brentq(lambda e: stats.norm.cdf(t - e / 100) - alpha * stats.norm.cdf(t), 0, 2000))


def test_gaussian_statistics() -> None:
    """Expected limits at t = -2 ... 2 and an observed one, each solved independently."""
    null, doped = gaussian_case(20000)
    found = upper_limits(null, doped, rng=np.random.default_rng(2), observed=0.7, n_bootstrap=0)
    for limit, z in zip(found.expected, (-2, -1, 0, 1, 2), strict=True):
        assert limit.bound is None
        assert limit.epsilon == pytest.approx(exact(z), rel=0.04)
    assert found.observed is not None
    assert found.observed.epsilon == pytest.approx(exact(0.7), rel=0.03)
    assert found.reaches
    assert "enough for limits at 95%" in found.text


def test_the_median_limit_has_an_interval() -> None:
    null, doped = gaussian_case()
    found = upper_limits(null, doped, rng=np.random.default_rng(2), n_bootstrap=30)
    assert found.low is not None
    assert found.high is not None
    assert found.low < exact(0) + 5
    assert found.high > exact(0) - 5
    assert found.high - found.low < 20


def test_confidence_orders_the_limits() -> None:
    null, doped = gaussian_case()
    limits = [
        upper_limits(null, doped, rng=np.random.default_rng(2), confidence=level, n_bootstrap=0).expected[2]
        for level in (0.68, 0.9, 0.95, 0.99)
    ]
    found = [limit.epsilon for limit in limits]
    assert found == sorted(found)  # type: ignore[type-var]


def test_coverage_of_data_sets_that_did_not_make_the_limit() -> None:
    """A true signal is not excluded in 95 % of the data sets, and more often where CLs protects a small one."""
    rng = np.random.default_rng(3)
    # A search that looks at 16 bins, few pseudo-experiments, more scatter with more signal.
    null = rng.normal(size=(4000, 16)).max(axis=1)
    doped = {
        e: np.maximum(rng.normal(size=(300, 15)).max(axis=1), rng.normal(e / 100, np.sqrt(1 + e / 500), 300))
        for e in EPSILONS
    }
    found = limit_coverage(null, doped, rng)
    assert found.epsilon.tolist() == list(EPSILONS)
    assert found.n.tolist() == [300] * len(EPSILONS)
    assert found.share[:4].min() > 0.98
    error = np.sqrt(0.95 * 0.05 / 300)
    assert found.share.min() > 0.95 - 3.5 * error
    assert found.share[-5:].mean() == pytest.approx(0.95, abs=3.5 * error / np.sqrt(5))


def test_few_pseudo_experiments_know_the_tail_together() -> None:
    """100 for each epsilon: of one alone the least CLs at -1 standard deviation would be 1 / 100 / 0.16 = 0.06."""
    errors = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        null, doped = rng.normal(size=2000), {e: rng.normal(e / 100, 1, 100) for e in EPSILONS}
        limits = upper_limits(null, doped, rng=rng, n_bootstrap=0).expected
        errors.append(
            [(one.epsilon or 0) / exact(z) - 1 for one, z in zip(limits, (-2, -1, 0, 1, 2), strict=True)]
        )
    assert np.abs(np.mean(errors, axis=0)[2:]).max() < 0.04
    assert np.std(errors, axis=0)[2:].max() < 0.07
    # Of the lower ends too little is known: they are rather too high.
    assert np.mean(errors, axis=0)[:2].min() > -0.03


def test_limits_outside_of_the_list_are_bounds() -> None:
    null, doped = gaussian_case()
    rng = np.random.default_rng(4)
    small = {epsilon: doped[epsilon] for epsilon in (50, 100)}
    assert upper_limits(null, small, rng=rng, n_bootstrap=20).expected[2] == Limit(100.0, "lower")
    large = {epsilon: doped[epsilon] for epsilon in (400, 600)}
    found = upper_limits(null, large, rng=rng, n_bootstrap=20)
    assert found.expected[2] == Limit(400.0, "upper")
    assert found.low is None
    assert found.high is None


def test_a_deficit_does_not_weaken_a_limit() -> None:
    """With a signal that scatters, CLs of a deficit rises; the limit does not."""
    rng = np.random.default_rng(5)
    null = rng.normal(size=4000)
    doped = {e: rng.normal(e / 100, 1 + e / 300, 400) for e in EPSILONS}
    raw = stats.norm.cdf([(-2.5 - 3) / 2, -3 / 2]) / stats.norm.cdf([-2.5, 0])
    assert raw[0] > raw[1], "CLs of 300 alone"
    found = [
        upper_limits(null, doped, rng=rng, observed=t, n_bootstrap=0).observed
        for t in (-50.0, -2.5, -1.5, -0.5, 0.5)
    ]
    limits = [np.nan if one is None or one.epsilon is None else one.epsilon for one in found]
    assert limits == sorted(limits)
    assert limits[0] == limits[1]


def test_too_few_doped_pseudo_experiments_say_so() -> None:
    null, doped = gaussian_case()
    few = {epsilon: doped[epsilon][:20] for epsilon in (50, 600)}
    found = upper_limits(null, few, rng=np.random.default_rng(6), n_bootstrap=20)
    # Half of the background lies at the median or below: five of 40 are a CLs of 0.25.
    assert found.resolution == pytest.approx(0.25, rel=0.01)
    assert found.expected[2] == Limit(None, None)
    assert not found.reaches
    assert "too few" in found.text


def test_statistics_that_could_not_be_computed_are_left_out() -> None:
    null, doped = gaussian_case()
    with_gaps = {epsilon: np.append(values, np.nan) for epsilon, values in doped.items()}
    one, other = (
        upper_limits(null, values, rng=np.random.default_rng(7), n_bootstrap=20)
        for values in (doped, with_gaps)
    )
    assert one.expected == other.expected
    assert other.n_doped[50] == 2000


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
    null, doped = gaussian_case()
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
