"""Calibration: counting with its intervals and bounds, summaries over pseudo-experiments, and the tail."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.calibration import (
    Calibration,
    calibrate,
    calibrate_many,
    extrapolate_tail,
    fit_pareto_tail,
    median_and_quartiles,
    pareto_tail,
)
from hepcs.calibration.counting import clopper_pearson
from hepcs.calibration.tail import fit_excesses


def null_with(n: int, n_above: int) -> NDArray[np.float64]:
    """n statistics of which n_above exceed 5."""
    return np.concatenate([np.linspace(0, 4.9, n - n_above), np.linspace(5.1, 9, n_above)])


def with_z(z: float, bound: str | None = None) -> Calibration:
    """A calibration of which only Z and the bound matter."""
    template = calibrate(5.0, null_with(10, 3))
    return dataclasses.replace(template, z=z, bound=bound)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------- counting


def test_none_of_3900_above() -> None:
    result = calibrate(5.0, null_with(3900, 0))
    assert (result.n_null, result.n_above, result.bound) == (3900, 0, "lower")
    assert result.p == 1 / 3900
    assert result.p_smoothed == pytest.approx(2.6e-4, abs=5e-6)
    assert result.z_smoothed == pytest.approx(3.47, abs=0.005)
    assert result.z == pytest.approx(stats.norm.isf(1 / 3900))
    # The 95 % limit by hand: (1 - p)^3900 = 0.05.
    assert result.p_upper_95 == pytest.approx(1 - 0.05 ** (1 / 3900))
    assert result.z_lower_95 == pytest.approx(3.17, abs=0.005)
    assert result.p_low == 0
    assert result.z_high is None
    assert result.z_low == pytest.approx(stats.norm.isf(1 - stats.norm.sf(1) ** (1 / 3900)))


def test_five_of_3900_above() -> None:
    result = calibrate(5.0, null_with(3900, 5))
    assert result.bound is None
    assert result.p == 5 / 3900
    assert result.p_smoothed == 6 / 3901
    # 2.96 is the significance of 6 / 3901; 5 / 3900 itself gives 3.02.
    assert result.z_smoothed == pytest.approx(2.96, abs=0.005)
    assert result.z == pytest.approx(3.016, abs=0.001)
    assert result.z_low == pytest.approx(2.86, abs=0.005)
    assert result.z_high == pytest.approx(3.18, abs=0.005)


def test_all_above_is_the_mirror_image_of_none() -> None:
    all_above, none_above = calibrate(-1.0, null_with(200, 0)), calibrate(99.0, null_with(200, 0))
    assert (all_above.n_above, all_above.bound) == (200, "upper")
    assert all_above.p == 1 - none_above.p
    assert all_above.z == pytest.approx(-none_above.z)
    assert all_above.z_low is None
    assert none_above.z_low is not None
    assert all_above.z_high == pytest.approx(-none_above.z_low)
    assert all_above.z_smoothed is None
    assert all_above.z_lower_95 is None


def test_ties_count() -> None:
    assert calibrate(0.0, [0.0, 0.0, 1.0, -1.0]).p == 0.75
    assert calibrate(1.0, [0.0, 0.0, 1.0, -1.0]).n_above == 1


@pytest.mark.parametrize("n_above", [0, 1, 2, 17, 99, 100])
def test_interval_is_clopper_pearson(n_above: int) -> None:
    result = calibrate(5.0, null_with(100, n_above))
    inside = 1 - 2 * stats.norm.sf(1)
    interval = stats.binomtest(n_above, 100).proportion_ci(inside, method="exact")
    assert (result.p_low, result.p_high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-15)
    upper = stats.beta.isf(0.05, n_above + 1, 100 - n_above) if n_above < 100 else 1.0
    assert result.p_upper_95 == pytest.approx(upper)
    if 0 < n_above < 100:
        assert result.p_low < result.p < result.p_high
        assert result.z_low is not None
        assert result.z_high is not None
        assert result.z_low < result.z < result.z_high


def test_limits_have_their_tails() -> None:
    # At the limits, what was seen or more (or less) has the probability asked for.
    low, high = clopper_pearson(np.array([7]), 50, 0.1)
    assert stats.binom.sf(6, 50, low[0]) == pytest.approx(0.1)
    assert stats.binom.cdf(7, 50, high[0]) == pytest.approx(0.1)


@pytest.mark.parametrize("n_above", [0, 3, 10])
def test_everything_fits_into_json(n_above: int) -> None:
    result = calibrate(5.0, null_with(10, n_above))
    text = json.dumps(dataclasses.asdict(result), allow_nan=False)
    assert Calibration(**json.loads(text)) == result


def test_many_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    null, observed = rng.normal(size=500), rng.normal(1, 2, size=40)
    assert calibrate_many(observed, null) == tuple(calibrate(t, null) for t in observed)
    for result in calibrate_many(observed, null):
        assert result.n_above == sum(value >= result.observed for value in null)


def test_null_statistics_have_uniform_p_values() -> None:
    rng = np.random.default_rng(2)
    null, observed = rng.gamma(3, size=4000), rng.gamma(3, size=1000)
    results = calibrate_many(observed, null)
    assert stats.kstest([result.p for result in results], "uniform").pvalue > 0.01
    assert stats.kstest([result.z for result in results], "norm").pvalue > 0.01


def test_smoothed_p_is_valid_and_the_plain_one_is_not() -> None:
    # Nine null statistics: a null observation is the largest of ten with probability 1/10. The smoothed p
    # is then 1/10; k / N would be 0.
    rng = np.random.default_rng(3)
    results = [
        calibrate(float(t), null)
        for t, null in zip(rng.normal(size=5000), rng.normal(size=(5000, 9)), strict=True)
    ]
    smoothed = np.array([result.p_smoothed for result in results])
    counted = np.array([result.n_above / 9 for result in results])
    for alpha in (0.1, 0.3, 0.5):
        assert (smoothed <= alpha + 1e-9).mean() == pytest.approx(alpha, abs=0.025)
    assert (counted <= 0.05).mean() > 0.08


@pytest.mark.parametrize(
    ("observed", "null", "match"),
    [
        (math.nan, [1.0, 2.0], "observed"),
        (math.inf, [1.0, 2.0], "observed"),
        (1.0, [1.0, 2.0, math.nan], "null.*entry 2"),
        (1.0, [], "two"),
        (1.0, [1.0], "two"),
        (1.0, [[1.0, 2.0]], "shape"),
    ],
)
def test_refuses_what_it_cannot_count(observed: float, null: list[float], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        calibrate(observed, null)


# ---------------------------------------------------------------------------------------------- summary


def test_median_and_quartiles_by_hand() -> None:
    summary = median_and_quartiles([with_z(z) for z in (4.0, 1.0, 3.0, 2.0)])
    assert summary.n == 4
    assert (summary.lower_quartile.z, summary.median.z, summary.upper_quartile.z) == (1.75, 2.5, 3.25)
    assert summary.median.bound is None


def test_a_median_below_the_bounds_is_exact() -> None:
    summary = median_and_quartiles([with_z(z) for z in (1.0, 2.0, 3.0)] + [with_z(3.5, "lower")] * 2)
    assert (summary.median.z, summary.median.bound) == (3.0, None)
    assert (summary.upper_quartile.z, summary.upper_quartile.bound) == (3.5, "lower")
    assert summary.lower_quartile.bound is None
    assert (summary.n_lower_bounds, summary.n_upper_bounds) == (2, 0)


def test_a_median_at_the_bound_is_one() -> None:
    summary = median_and_quartiles([with_z(1.0), with_z(3.5, "lower"), with_z(3.5, "lower")])
    assert (summary.median.z, summary.median.bound) == (3.5, "lower")
    # Half of the median of an even number rests on a bound.
    summary = median_and_quartiles([with_z(1.0), with_z(3.5, "lower")])
    assert (summary.median.z, summary.median.bound) == (2.25, "lower")


def test_one_above_and_none_above_have_the_same_z_and_differ() -> None:
    null = null_with(100, 1)
    one, none = calibrate(5.0, null), calibrate(99.0, null)
    assert one.z == none.z
    assert median_and_quartiles([none, one, one]).median.bound is None
    assert median_and_quartiles([none, one, none]).median.bound == "lower"


def test_upper_bounds() -> None:
    values = [with_z(-3.0, "upper")] * 3 + [with_z(z) for z in (0.0, 1.0)]
    assert median_and_quartiles(values).median.bound == "upper"
    assert median_and_quartiles(values).upper_quartile.bound is None
    both = [with_z(-1.0, "upper"), with_z(1.0, "lower")]
    assert median_and_quartiles(both).median.bound == "undetermined"


def test_quantiles_are_those_of_numpy() -> None:
    z = np.random.default_rng(4).normal(size=101)
    summary = median_and_quartiles([with_z(float(value)) for value in z])
    found = (summary.lower_quartile.z, summary.median.z, summary.upper_quartile.z)
    assert found == pytest.approx(tuple(np.quantile(z, (0.25, 0.5, 0.75))))


def test_no_calibration_has_no_median() -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        median_and_quartiles([])


# ------------------------------------------------------------------------------------------------- tail


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_excesses_are_fitted_as_scipy_fits_them(shape: float) -> None:
    excesses = stats.genpareto.rvs(shape, scale=0.4, size=400, random_state=np.random.default_rng(5))
    found = fit_excesses(excesses)
    reference_shape, _, reference_scale = stats.genpareto.fit(excesses, floc=0)
    assert found == pytest.approx((reference_shape, reference_scale), abs=1e-3)
    ours = stats.genpareto.nnlf((found[0], 0, found[1]), excesses)
    assert ours <= stats.genpareto.nnlf((reference_shape, 0, reference_scale), excesses) + 1e-6


def test_exponential_tail_is_extrapolated_right() -> None:
    null = np.random.default_rng(6).exponential(size=20_000)
    tail = fit_pareto_tail(null, rng=np.random.default_rng(7), n_bootstrap=100)
    assert (tail.n_null, tail.n_tail) == (20_000, 2000)
    assert tail.threshold == np.sort(null)[-2001]
    assert tail.mean_excess == pytest.approx(1.0, abs=0.1)
    result = extrapolate_tail(tail, 11.0)
    truth = float(stats.norm.isf(math.exp(-11)))
    assert result.quotable
    assert result.p is not None
    assert result.p < 1 / 20_000
    assert result.z == pytest.approx(truth, abs=0.3)
    assert result.z_exponential == pytest.approx(truth, abs=0.1)
    assert result.z_low is not None
    assert result.z_high is not None
    assert result.z_low < truth < result.z_high
    assert result.z is not None
    assert result.z_conservative == min(result.z, result.z_exponential or math.inf)
    assert "extrapolation" in result.method


def test_within_the_sample_it_agrees_with_counting() -> None:
    null = np.random.default_rng(8).normal(size=3900)
    result = pareto_tail(null, 2.5, rng=np.random.default_rng(9), n_bootstrap=50)
    counted = calibrate(2.5, null)
    assert counted.z_low is not None
    assert counted.z_high is not None
    assert counted.z_low - 0.1 < (result.z or 0.0) < counted.z_high + 0.1


def test_exponential_tail_is_the_careful_one_for_gaussian_statistics() -> None:
    rng = np.random.default_rng(10)
    pareto, exponential = [], []
    truth = 4.0
    for _ in range(30):
        tail = fit_pareto_tail(rng.normal(size=3900), rng=rng, n_bootstrap=20)
        result = extrapolate_tail(tail, truth)
        pareto.append(result.z if result.z is not None else math.inf)
        exponential.append(result.z_exponential)
    assert np.median(pareto) > truth
    assert max(z for z in exponential if z is not None) < truth


def test_not_quotable_and_why() -> None:
    rng = np.random.default_rng(11)
    # Bounded statistics, so that the tail ends.
    tail = fit_pareto_tail(rng.beta(2, 3, size=3900), rng=rng, n_bootstrap=50)
    assert tail.end_point is not None
    beyond = extrapolate_tail(tail, tail.end_point + 1)
    assert not beyond.quotable
    assert (beyond.p, beyond.z) == (0.0, None)
    assert any("ends at" in reason for reason in beyond.reasons)
    below = extrapolate_tail(tail, tail.threshold)
    assert not below.quotable
    assert (below.p, below.z, below.z_low, below.z_high, below.z_conservative) == (None,) * 5
    assert "counted" in below.reasons[0]
    few = pareto_tail(rng.exponential(size=200), 6.0, rng=rng, n_bootstrap=50)
    assert any("only 20" in reason for reason in few.reasons)
    far = pareto_tail(rng.exponential(size=3900), 40.0, rng=rng, n_bootstrap=50)
    assert any("below 1/N" in reason for reason in far.reasons)
    for result in (beyond, below, few, far):
        json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_a_bad_tail_is_noticed_and_a_good_one_is_not() -> None:
    rng = np.random.default_rng(12)
    # Two kinds of statistics: the tail begins between them.
    bad = np.concatenate([rng.normal(0, 1, 3600), rng.normal(6, 0.3, 300)])
    tail = fit_pareto_tail(bad, rng=rng, n_bootstrap=50)
    assert tail.goodness_p < 0.05
    assert any("bad" in reason for reason in extrapolate_tail(tail, 8.0).reasons)
    good = [
        fit_pareto_tail(rng.exponential(size=1000), rng=rng, n_bootstrap=40).goodness_p for _ in range(25)
    ]
    assert stats.kstest(good, "uniform").pvalue > 0.01


def test_the_generator_decides_the_bootstrap() -> None:
    null = np.random.default_rng(13).normal(size=1000)
    one, same, other = (
        fit_pareto_tail(null, rng=np.random.default_rng(seed), n_bootstrap=30) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.replicas, same.replicas)
    assert (one.replicas != other.replicas).any()
    assert one.shape == other.shape


def test_tail_refuses() -> None:
    rng = np.random.default_rng(14)
    with pytest.raises(ArgumentError, match="fraction"):
        fit_pareto_tail(np.arange(100.0), 1.0, rng=rng)
    with pytest.raises(ArgumentError, match="too small"):
        fit_pareto_tail(np.arange(50.0), 0.1, rng=rng)
    with pytest.raises(ArgumentError, match="tie"):
        fit_pareto_tail(np.zeros(1000), 0.1, rng=rng)
    with pytest.raises(ArgumentError, match="null"):
        fit_pareto_tail(np.full(1000, math.nan), 0.1, rng=rng)
    with pytest.raises(ArgumentError, match="n_bootstrap"):
        fit_pareto_tail(np.arange(1000.0), rng=rng, n_bootstrap=5)
