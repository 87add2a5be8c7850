"""From outcomes to results: calibration, what may be expected, and all searches together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_searches import TruthSection, campaign, toy_search
from toys import toy_pools

from hepcs._core.progress import serial_mapper, silent
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.results import SearchResult
from hepcs.running.calibrating import combined_results, search_results
from hepcs.running.pseudo_experiments import Campaign, run_pseudo_experiments


def results_of(one: Campaign, *, blind: bool = False) -> tuple[SearchResult, ...]:
    outcomes = run_pseudo_experiments(one, serial_mapper, silent, workers=1)
    observations = {
        task: {name: (outcome, seen) for name, outcome, seen in one.observe(task)}
        for task in (() if blind else one.observed_tasks())
    }
    return search_results(one, outcomes, observations)


def test_any_search_is_calibrated_alike() -> None:
    (result,) = results_of(campaign(toy_search("one"), background_only=200))
    assert len(result.outcomes) == 2 + 200 + 5
    null = result.statistics(Kind.BACKGROUND_ONLY)
    without, doped = result.observed
    assert without.calibration is not None
    assert without.calibration.n_above == (null >= without.outcome.statistic).sum()
    assert doped.calibration is not None
    assert doped.calibration.bound == "lower", "150 events in two bins of some 45"
    assert doped.extrapolation is not None
    assert without.extrapolation is None
    (summary,) = result.doped
    assert summary.injection == Injection(150, "signal")
    assert summary.statistic_quartiles[0] > np.median(null)
    assert result.shared == result.outcomes


def test_a_blind_run_tells_what_may_be_expected() -> None:
    one = campaign(toy_search("one"), toy_search("two", bin=5))
    results = results_of(one, blind=True)
    for result in results:
        assert result.observed == ()
        assert len(result.doped) == 1
        assert Kind.OBSERVED not in {outcome.task.kind for outcome in result.outcomes}
    for combined in combined_results(one, results):
        assert combined.combination is None


def test_real_data_are_combined_whatever_is_injected_elsewhere() -> None:
    pools = toy_pools(n_background=600, n_signal=300)
    pools = replace(pools, data=pools.background)
    one = campaign(toy_search("one"), toy_search("two", bin=5), pools=pools, epsilons=(150,))
    data, doped = combined_results(one, results_of(one))
    assert (data.injection, doped.injection) == (Injection(), Injection(150, "signal"))
    assert data.combination is not None
    assert doped.combination is None
    assert doped.doped is not None


def test_toys_calibrate_and_shared_data_sets_combine() -> None:
    one = campaign(toy_search("fit", toys=True), toy_search("other", bin=5))
    fit, _ = results_of(one)
    calibration = fit.observed[0].calibration
    assert calibration is not None
    # Toys of 10 events a bin, a background of some 45: by them it is an excess, by the shared data sets none.
    assert calibration.bound == "lower"
    combination = combined_results(one, (fit, _))[0].combination
    assert combination is not None
    assert combination.p > 0.05


def test_all_together() -> None:
    few = {"two": {"background_only": 30}}
    one = campaign(
        toy_search("one"), toy_search("two", bin=5), toy_search("study", section=TruthSection()), own=few
    )
    without, doped = combined_results(one, results_of(one))
    assert without.searches == ("one", "two"), "studies that know the truth take no part"
    assert without.n_null == 30, "those that all have seen"
    assert doped.combination is not None
    assert doped.combination.p < 0.1
    assert doped.doped is not None
    assert doped.doped.n_used == 5
    assert without.doped is None


def test_a_single_search_is_not_combined() -> None:
    one = campaign(toy_search("one"))
    assert combined_results(one, results_of(one)) == ()


def test_what_is_invalid_is_told() -> None:
    def fails(data: object) -> bool:
        return 627 < int(getattr(data, "n_events", 0)) < 700

    (result,) = results_of(campaign(toy_search("one", fails=fails), background_only=600))
    assert result.n_invalid > 0
    assert len(result.statistics(Kind.BACKGROUND_ONLY)) == pytest.approx(600, abs=6)
