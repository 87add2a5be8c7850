"""Data sets: the observed one, bootstraps, doped ones, and those of a real search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, toy_pools, toy_sample

from hepcs._core.errors import ArgumentError
from hepcs.datasets.bootstrap import Kind, Task, bootstrap, draw_data_set, draw_signal, gather, spectrum


def test_observed_is_all_background_and_the_drawn_signal() -> None:
    pools = toy_pools()
    data = draw_data_set(pools, Task(Kind.OBSERVED, 400, 0), seed=1)
    np.testing.assert_array_equal(data.parts[0].multiplicity, 1)
    signal = data.parts[1].multiplicity
    assert set(signal.tolist()) == {0, 1}
    # 400 of 1250 signal events, 1000 of them inside: 320 expected, +- 6.6 (hypergeometric).
    assert 290 < signal.sum() < 350
    assert data.n_events == 6000 + signal.sum()


def test_bootstrap_has_the_moments_of_draws_with_replacement() -> None:
    """n draws out of n: multiplicities have mean 1 and variance 1 - 1/n; the number inside is binomial."""
    pools = toy_pools()
    background = pools.background
    inside = [
        draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, i), seed=2).parts[0].multiplicity
        for i in range(300)
    ]
    times = np.concatenate(inside)
    assert times.mean() == pytest.approx(1, abs=0.005)
    assert times.var() == pytest.approx(1, abs=0.02)
    # Poisson(1): a share exp(-1) of the events is left out.
    assert (times == 0).mean() == pytest.approx(np.exp(-1), abs=0.002)
    sums = np.array([one.sum() for one in inside])
    p = background.n_events / background.n_selected
    expected_sd = np.sqrt(background.n_selected * p * (1 - p))
    assert sums.mean() == pytest.approx(background.n_events, abs=4 * expected_sd / np.sqrt(300))
    assert sums.std() == pytest.approx(expected_sd, rel=0.2)


def test_each_task_has_its_own_draws_and_always_the_same() -> None:
    pools = toy_pools()

    def times(task: Task, seed: int = 1) -> list[np.ndarray]:
        return [part.multiplicity for part in draw_data_set(pools, task, seed).parts]

    one = times(Task(Kind.DOPED, 100, 3))
    again = times(Task(Kind.DOPED, 100, 3))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    for other in [
        times(Task(Kind.DOPED, 100, 4)),
        times(Task(Kind.DOPED, 100, 3), seed=2),
        times(Task(Kind.DOPED, 101, 3)),
    ]:
        assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[0], times(Task(Kind.BACKGROUND_ONLY, 0, 3))[0])


def test_signal_is_drawn_without_replacement_from_all_of_it() -> None:
    signal = toy_pools().signal
    assert signal is not None
    rng = np.random.default_rng(1)
    everything = draw_signal(signal, signal.n_selected, rng)
    np.testing.assert_array_equal(everything, 1)
    with pytest.raises(ArgumentError, match="more than the 1250 signal events"):
        draw_signal(signal, signal.n_selected + 1, rng)


def test_real_search_bootstraps_the_background_to_the_size_of_the_data() -> None:
    rng = np.random.default_rng(5)
    pools = replace(toy_pools(), signal=None, data=toy_sample(2000, rng))
    observed = draw_data_set(pools, Task(Kind.OBSERVED, 0, 0), seed=1)
    assert observed.parts[0].sample is pools.data
    assert observed.n_events == 2000
    sizes = [draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, i), seed=1).n_events for i in range(200)]
    # Binomial(2500, 0.8): 2000 +- 20.
    assert np.mean(sizes) == pytest.approx(2000, abs=6)
    assert np.std(sizes) == pytest.approx(20, rel=0.25)


def test_spectrum_and_gather_count_the_same_events() -> None:
    pools = toy_pools()
    data = draw_data_set(pools, Task(Kind.DOPED, 300, 0), seed=1)
    counts, events = spectrum(data, BINS), gather(data)
    assert counts.sum() == data.n_events == events.multiplicity.sum()
    repeated = np.repeat(events.m_jj, events.multiplicity)
    np.testing.assert_array_equal(counts, np.histogram(repeated, bins=BINS.edges)[0])
    assert (events.multiplicity > 0).all()
    assert events.features.shape == (len(events.m_jj), 2, 6)


def test_bad_sizes() -> None:
    with pytest.raises(ArgumentError, match="0 < inside"):
        bootstrap(toy_pools().background, np.random.default_rng(1), inside=0, of=10)
    with pytest.raises(ArgumentError, match="no signal sample"):
        draw_data_set(replace(toy_pools(), signal=None), Task(Kind.DOPED, 10, 0), seed=1)
