"""How Z rises with the signal: readings, crossings, ratios, against cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.studies.comparison import ratio_of_crossings, significance_improvement
from hepcs.studies.readings import READINGS, Reading, counting_reach, scale_of
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

EPSILONS = (100, 200, 250, 300, 350, 400, 500, 700, 900)


def search(name: str, scale: float, n: int = 20000, m: int = 101, seed: int = 1) -> SearchStatistics:
    """Statistics t ~ N(epsilon / scale, 1), so that Z = epsilon / scale; one random number for each index."""
    rng = np.random.default_rng(seed)
    null = rng.normal(size=n)
    return SearchStatistics(name, null, {e: rng.normal(size=m) + e / scale for e in EPSILONS})


def test_reach_of_counting() -> None:
    """Phi^-1(1 - 1/(N + 1)), and N = 1 / P(Z > 3) - 1 = 740; 3,900 reach 3.47."""
    assert counting_reach(3900).z == pytest.approx(3.474, abs=1e-3)
    assert counting_reach(3900).n_needed == 740
    assert counting_reach(740).is_enough
    assert not counting_reach(739).is_enough
    assert "739 background-only pseudo-experiments reach Z = 3.00, not 3" in counting_reach(739).text
    with pytest.raises(ArgumentError):
        counting_reach(1)


def test_all_readings_agree_where_the_null_is_normal() -> None:
    found = sensitivity([search("one", 100)], rng=np.random.default_rng(2), n_bootstrap=40)["one"]
    for reading in ("counted", "gaussian"):
        crossing = found.curves[reading].crossing
        assert crossing.bound is None
        # The median of 101 has an error of 1.25 / sqrt(101): 12 events.
        assert crossing.epsilon == pytest.approx(300, abs=40)
        assert crossing.low is not None
        assert crossing.high is not None
        assert crossing.low < 300 + 15
        assert crossing.high > 300 - 15
    assert set(found.curves) | set(found.unavailable) == set(READINGS)


def test_counting_says_when_a_median_is_a_bound() -> None:
    """Of 1,000 the largest Z is 3.09: medians above are bounds."""
    one = search("one", 60, n=1000)
    found = sensitivity([one], rng=np.random.default_rng(3), n_bootstrap=20)["one"]
    curve = found.curves["counted"]
    assert curve.largest_z == pytest.approx(stats.norm.isf(1 / 1001))
    assert curve.median[-1].bound == "lower"
    assert curve.median[0].bound is None
    (warning,) = found.warnings
    assert "is only a bound" in warning
    # The median statistic, epsilon / 60, crosses the level all the same: above all of 1,000, p is 1 / 1001.
    assert curve.crossing.bound is None
    assert curve.crossing.epsilon == pytest.approx(60 * one.null.max(), abs=25)


def test_the_statistic_is_interpolated_and_not_z() -> None:
    """Null statistics squared: t is quadratic in Z, so a straight line in t is none in Z."""
    null = np.random.default_rng(10).normal(size=20000) ** 2
    one = SearchStatistics("one", null, {100: np.full(60, 1.0), 200: np.full(60, 25.0)})
    crossing = (
        sensitivity([one], rng=np.random.default_rng(3), n_bootstrap=20)["one"].curves["counted"].crossing
    )
    # P(t > x) = 2 (1 - Phi(sqrt x)) = 0.00135 at sqrt x = 3.205.
    threshold = stats.norm.isf(0.00135 / 2) ** 2
    assert crossing.bound is None
    assert crossing.epsilon == pytest.approx(100 + 100 * (threshold - 1) / 24, abs=4)
    already = SearchStatistics("one", null, {200: np.full(60, 25.0), 300: np.full(60, 30.0)})
    found = sensitivity([already], rng=np.random.default_rng(3), n_bootstrap=20)["one"]
    crossing = found.curves["counted"].crossing
    assert (crossing.epsilon, crossing.bound) == (200, "upper")


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("level", [0.5, 2.0, 3.0])
def test_a_threshold_is_where_z_is_the_level(reading: Reading, level: float) -> None:
    scale = scale_of(np.random.default_rng(11).normal(size=20000), reading)
    threshold = scale.threshold(level)
    assert threshold is not None
    below, above = scale.read(threshold + np.array([-1e-9, 1e-9])).z
    assert below == pytest.approx(level, abs=0.05)
    assert above >= level - 1e-6
    assert scale.threshold(5.0) is None or reading == "gaussian"


def test_too_few_to_count_to_three() -> None:
    found = sensitivity([search("one", 100, n=200)], rng=np.random.default_rng(4), n_bootstrap=20)["one"]
    crossing = found.curves["counted"].crossing
    assert crossing.epsilon is None
    assert "reaches Z = 2.58, not 3" in crossing.reason
    assert found.curves["gaussian"].crossing.epsilon == pytest.approx(300, rel=0.2)


def test_a_level_that_the_signal_does_not_reach() -> None:
    found = sensitivity([search("weak", 1000)], rng=np.random.default_rng(5), n_bootstrap=20)["weak"]
    crossing = found.curves["gaussian"].crossing
    assert crossing.epsilon is None
    assert crossing.beyond == 900
    assert crossing.share_reached == 0


def test_ratio_and_improvement() -> None:
    """Half the signal for 3 sigma, twice the Z; common fluctuations cancel."""
    searches = [search("good", 100), search("poor", 200)]
    found = sensitivity(searches, rng=np.random.default_rng(6), n_bootstrap=60)
    good, poor = (found[name].curves["gaussian"] for name in ("good", "poor"))
    ratio = ratio_of_crossings(good, poor)
    assert ratio.value == pytest.approx(0.5, abs=0.06)
    assert ratio.bound is None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= ratio.value <= ratio.high
    for improvement in significance_improvement(good, poor)[2:]:
        assert improvement.value == pytest.approx(2, rel=0.25)
    none = sensitivity([search("weak", 1000), searches[0]], rng=np.random.default_rng(6), n_bootstrap=20)
    bound = ratio_of_crossings(none["good"].curves["gaussian"], none["weak"].curves["gaussian"])
    assert bound.bound == "upper"
    assert bound.value == pytest.approx(300 / 900, rel=0.2)


def test_a_skewed_null_is_told() -> None:
    """The Gaussian reading of an exponential null is too large: at 1 % it says 3.6 where counting says 2.33."""
    rng = np.random.default_rng(7)
    skewed = SearchStatistics(
        "skewed", rng.exponential(size=20000), {e: rng.exponential(size=60) + e / 100 for e in EPSILONS}
    )
    found = sensitivity([skewed], rng=rng, n_bootstrap=20)["skewed"]
    text = " ".join(found.curves["gaussian"].caveats)
    assert "skewness" in text
    expected = (math.log(100) - 1) / 1
    assert f"where counting gives Z = 2.33 it gives {expected:.1f}" in text
    gaussian, counted = (found.curves[reading].crossing.epsilon for reading in ("gaussian", "counted"))
    assert gaussian is not None
    assert counted is not None
    assert gaussian < counted


def test_failed_pseudo_experiments_are_left_out() -> None:
    plain = search("one", 100)
    gaps = SearchStatistics(
        "one",
        np.append(plain.null, np.nan),
        {e: np.append(values, np.nan) for e, values in plain.doped.items()},
    )
    found = sensitivity([gaps], rng=np.random.default_rng(8), n_bootstrap=20)["one"]
    assert found.n_null == plain.null.size
    assert found.n_doped[100] == 101


def test_studies_that_do_not_match() -> None:
    one, other = search("one", 100), search("one", 200)
    with pytest.raises(ArgumentError):
        sensitivity([one, other], rng=np.random.default_rng(9))
    shorter = SearchStatistics("short", one.null[:100], one.doped)
    with pytest.raises(ArgumentError):
        sensitivity([one, shorter], rng=np.random.default_rng(9))
    with pytest.raises(ArgumentError, match="epsilon above 0"):
        SearchStatistics("none", one.null, {0: one.null})
    with pytest.raises(ArgumentError, match="finite, or NaN"):
        SearchStatistics("infinite", np.append(one.null, np.inf), one.doped)


def test_the_null_samples_own_fluctuation_widens_intervals() -> None:
    """Thresholds that move by half a standard deviation between samples: so much of 100 events."""
    one = search("one", 100)
    rng = np.random.default_rng
    plain = sensitivity([one], rng=rng(2), n_bootstrap=200, readings=("gaussian",))["one"]
    moved = sensitivity([one], rng=rng(2), n_bootstrap=200, readings=("gaussian",), between={"one": 0.5})[
        "one"
    ]
    widths = []
    for found in (plain, moved):
        crossing = found.curves["gaussian"].crossing
        assert crossing.low is not None and crossing.high is not None
        widths.append(crossing.high - crossing.low)
    assert plain.curves["gaussian"].crossing.epsilon == moved.curves["gaussian"].crossing.epsilon
    assert np.sqrt(widths[1] ** 2 - widths[0] ** 2) / 2 == pytest.approx(50, rel=0.25)
