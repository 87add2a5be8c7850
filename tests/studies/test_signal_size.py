"""The size of a signal from the statistic, against cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.studies.signal_size import linearity, size_calibration

EPSILONS = (50, 100, 200, 300, 450, 700)


def rising(epsilon: float) -> float:
    """Mean statistic: flat for a small signal, which the largest of many fluctuations hides."""
    return float(np.hypot(2.5, epsilon / 80))


def statistics(n: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    return rng.normal(rising(0), 0.5, n), {e: rng.normal(rising(e), 0.5, n) for e in EPSILONS}


def test_estimates_are_right_in_the_median_and_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    null, doped = statistics(4000, rng)
    found = linearity(null, doped, rng)
    assert found.epsilon.tolist() == list(EPSILONS)
    assert found.median == pytest.approx(np.array(EPSILONS, dtype=float), rel=0.08)
    # 4,000 data sets: 0.683 to within 0.007, four times.
    assert found.coverage == pytest.approx(np.full(6, 0.6827), abs=0.03)
    assert ((found.low <= found.median) & (found.median <= found.high)).all()


def test_between_the_epsilon_of_the_list_it_covers_as_well() -> None:
    rng = np.random.default_rng(2)
    calibration = size_calibration(*statistics(4000, rng))
    sizes = [calibration.size(float(t)) for t in rng.normal(rising(380), 0.5, 2000)]
    held = [one.low is not None and one.low <= 380 and (one.high is None or one.high >= 380) for one in sizes]
    assert np.mean(held) == pytest.approx(0.6827, abs=0.04)
    assert np.median([one.epsilon or np.inf for one in sizes]) == pytest.approx(380, rel=0.06)


def test_without_signal_the_interval_begins_at_none() -> None:
    rng = np.random.default_rng(3)
    calibration = size_calibration(*statistics(2000, rng))
    sizes = [calibration.size(float(t)) for t in rng.normal(rising(0), 0.5, 2000)]
    assert np.mean([one.low == 0 for one in sizes]) == pytest.approx(1 - 0.1587, abs=0.03)
    assert np.mean([one.epsilon == 0 for one in sizes]) == pytest.approx(0.5, abs=0.04)
    assert calibration.size(-10.0).high == 0, "a deficit: no signal is as low"


def test_beyond_the_list_there_is_no_number() -> None:
    size = size_calibration(*statistics(500, np.random.default_rng(4))).size(40.0)
    assert (size.epsilon, size.low, size.high) == (None, None, None)


def test_quantiles_that_scatter_are_made_to_rise() -> None:
    rng = np.random.default_rng(5)
    calibration = size_calibration(*statistics(12, rng))
    assert (np.diff(calibration.quantiles, axis=1) >= 0).all()
    assert (np.diff(calibration.quantiles, axis=0) >= 0).all()
    sizes = [calibration.size(t) for t in np.linspace(1, 9, 50)]
    for one in sizes:
        ends = [np.inf if end is None else end for end in (one.low, one.epsilon, one.high)]
        assert ends == sorted(ends)
    estimates = [np.inf if one.epsilon is None else one.epsilon for one in sizes]
    assert estimates == sorted(estimates)


def test_what_is_too_little_is_refused() -> None:
    null, doped = statistics(50, np.random.default_rng(6))
    with pytest.raises(ArgumentError, match="epsilon above 0"):
        size_calibration(null, {})
    with pytest.raises(ArgumentError, match="epsilon = 100: 9 valid statistics, expected 10"):
        size_calibration(null, {**doped, 100: doped[100][:9]})
    with pytest.raises(ArgumentError, match="finite statistic"):
        size_calibration(null, doped).size(np.nan)
