"""Data sets: the observed one, bootstraps, doped ones, and those of a real search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, POOLS, doped, null, observed, toy_sample

from hepcs._core.errors import ArgumentError
from hepcs.datasets.bootstrap import (
    Injection,
    Kind,
    Task,
    binned,
    bootstrap,
    draw_data_set,
    draw_signal,
    whole,
    with_background,
)
from hepcs.datasets.folds import assign_folds


def test_observed_is_all_background_and_the_drawn_signal() -> None:
    data = observed(400)
    background, signal = data.view.parts
    np.testing.assert_array_equal(background.multiplicity, 1)
    assert set(signal.multiplicity.tolist()) == {0, 1}
    # 400 of 1250 signal events, 1000 of them inside: 320 expected, +- 6.6 (hypergeometric).
    assert 290 < signal.multiplicity.sum() < 350
    assert data.view.n_events == 6000 + signal.multiplicity.sum()


def test_the_truth_travels_apart() -> None:
    data = doped(400)
    assert data.injected.sum() == len(data.view.parts[1].present)
    assert len(data.injected) == len(data.view.m_jj)
    np.testing.assert_array_equal(data.view.event[data.injected] >= 6000, True)
    np.testing.assert_array_equal(data.view.event[~data.injected] < 6000, True)
    assert not null(0).injected.any()


def test_bootstrap_has_the_moments_of_draws_with_replacement() -> None:
    """n draws out of n: multiplicities have mean 1 and variance 1 - 1/n; the number inside is binomial."""
    background = POOLS.background
    inside = [null(i).view.parts[0].multiplicity for i in range(300)]
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
    def times(task: Task, seed: int = 1) -> list[np.ndarray]:
        return [part.multiplicity for part in draw_data_set(POOLS, task, seed).view.parts]

    one = times(Task(Kind.DOPED, 100, 3, "signal"))
    again = times(Task(Kind.DOPED, 100, 3, "signal"))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    for other in [
        times(Task(Kind.DOPED, 100, 4, "signal")),
        times(Task(Kind.DOPED, 100, 3, "signal"), seed=2),
        times(Task(Kind.DOPED, 101, 3, "signal")),
    ]:
        assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[0], times(Task(Kind.BACKGROUND_ONLY, 0, 3))[0])


def test_several_signals_are_injected_each_on_its_own() -> None:
    wide = toy_sample(500, np.random.default_rng(4), resonance=4000.0, first_event=7000)
    pools = replace(POOLS, signals={**POOLS.signals, "wide": wide})
    data = draw_data_set(pools, Task(Kind.DOPED, 200, 0, "wide"), 1)
    assert np.abs(data.view.m_jj[data.injected] - 4000).max() < 400
    assert Injection(200, "wide").label == "wide_epsilon_0200"
    assert Injection(200, "signal").label == "epsilon_0200"
    with pytest.raises(ArgumentError, match="the signals are: signal, wide"):
        draw_data_set(pools, Task(Kind.DOPED, 200, 0, "narrow"), 1)


def test_signal_is_drawn_without_replacement_from_all_of_it() -> None:
    signal, rng = POOLS.signals["signal"], np.random.default_rng(1)
    np.testing.assert_array_equal(draw_signal(signal, signal.n_selected, rng), 1)
    with pytest.raises(ArgumentError, match="more than the 1250 signal events"):
        draw_signal(signal, signal.n_selected + 1, rng)


def test_real_search_bootstraps_the_background_to_the_size_of_the_data() -> None:
    pools = replace(POOLS, data=toy_sample(2000, np.random.default_rng(5)))
    seen = draw_data_set(pools, Task(Kind.OBSERVED, 0, 0), seed=1).view
    assert seen.parts[0].sample is pools.data
    assert seen.n_events == 2000
    sizes = [draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, i), seed=1).view.n_events for i in range(200)]
    # Binomial(2500, 0.8): 2000 +- 20.
    assert np.mean(sizes) == pytest.approx(2000, abs=6)
    assert np.std(sizes) == pytest.approx(20, rel=0.25)


def test_what_is_gathered_is_what_is_counted() -> None:
    view = doped(300).view
    assert view.spectrum.sum() == view.n_events == view.weights.sum()
    repeated = np.repeat(view.m_jj, view.multiplicity)
    np.testing.assert_array_equal(view.spectrum, np.histogram(repeated, bins=BINS.edges)[0])
    assert (view.multiplicity > 0).all()
    assert len(set(view.event.tolist())) == len(view.event), "events of different samples must differ"
    assert view.features("image_pca").shape == (len(view.m_jj), 2, 6)
    assert view.features("event").shape == (len(view.m_jj), 12)


def test_copies_of_an_event_lie_in_one_fold() -> None:
    """Of a bootstrap written out row by row; folds by the row would tear most copies apart."""
    view = null(0).view
    rows = np.repeat(view.event, view.multiplicity)
    folds = assign_folds(rows, 5, np.random.default_rng(1))
    of_event = dict(zip(rows.tolist(), folds.tolist(), strict=True))
    np.testing.assert_array_equal(folds, [of_event[event] for event in rows.tolist()])
    by_row = np.random.default_rng(1).permutation(len(rows)) % 5
    assert len(set(zip(rows.tolist(), by_row.tolist(), strict=True))) > len(of_event)


def test_toys_of_a_spectrum_keep_the_injected_events() -> None:
    data = doped(300)
    counts = np.arange(16)
    toy = with_background(data.view, binned(counts, BINS), data.n_injected)
    np.testing.assert_array_equal(toy.spectrum, counts + BINS.counts(data.view.m_jj[data.injected]))
    assert whole(POOLS.background, BINS).n_events == 6000


def test_bad_sizes() -> None:
    with pytest.raises(ArgumentError, match="0 < inside"):
        bootstrap(POOLS.background, np.random.default_rng(1), inside=0, of=10)
    with pytest.raises(ArgumentError, match="the signals are: none"):
        draw_data_set(replace(POOLS, signals={}), Task(Kind.DOPED, 10, 0, "signal"), seed=1)
