"""Dijet fits as searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_card import toy_card
from toys import BINS, doped, null, observed, toy_pools, toy_sample

from hepcs.datasets.bootstrap import DataSet, EventView
from hepcs.datasets.samples import Pools
from hepcs.searches.base import Inputs
from hepcs.searches.dijet_fit.search import FitSearch, build, restore
from hepcs.searches.dijet_fit.section import DijetFitSection
from hepcs.searches.kinds import Context
from hepcs.statistics.bumphunter import bump_hunter
from hepcs.statistics.windows import scan_bins

POOLS = toy_pools(n_background=20000)
RNG = np.random.default_rng(0)


def search(pools: Pools = POOLS, **keys: Any) -> FitSearch:
    section = DijetFitSection(**{"parameters": 3, **keys})
    return build("fit", section, Context(toy_card(searches={"fit": section}), pools))


def toys_of(one: FitSearch, data: DataSet, n: int) -> np.ndarray:
    return np.array([one.toy(data, np.random.default_rng(i)).spectrum for i in range(n)])


def judged(one: FitSearch, view: EventView) -> Any:
    return one.judge(one.fit(view, Inputs(), RNG), view, Inputs(), RNG)


def test_toys_follow_the_fit_to_the_original_background() -> None:
    one = search()
    toys = toys_of(one, null(pools=POOLS), 400)
    pull = (toys.mean(axis=0) - one.reference.expected) / np.sqrt(one.reference.expected / 400)
    assert np.abs(pull).max() < 4
    np.testing.assert_allclose(toys.var(axis=0) / toys.mean(axis=0), 1, atol=0.3)


def test_doped_toys_have_the_signal_that_the_other_searches_see() -> None:
    one, data = search(), doped(500, pools=POOLS)
    signal = BINS.counts(data.view.m_jj[data.injected])
    excess = toys_of(one, data, 200).mean(axis=0) - one.reference.expected
    np.testing.assert_allclose(excess[4:6], signal[4:6], atol=5 * np.sqrt(one.reference.expected[4] / 200))


def test_in_a_real_search_toys_have_the_size_of_the_data() -> None:
    data = toy_sample(4000, np.random.default_rng(8))
    one = search(replace(POOLS, signals={}, data=data))
    assert one.toy_expectation.sum() == pytest.approx(4000, rel=1e-6)
    sums = toys_of(one, null(pools=POOLS), 50).sum(axis=1)
    assert np.mean(sums) == pytest.approx(4000, abs=4 * np.sqrt(4000 / 50))


def test_a_large_signal_is_found_in_its_bins() -> None:
    scan = judged(search(), doped(1000, pools=POOLS).view)
    assert scan.statistic > 4
    assert int(np.argmax(scan.local_significance)) in {4, 5}


def test_a_fit_that_did_not_converge_is_not_used() -> None:
    one, view = search(), null(pools=POOLS).view
    fit = one.fit(view, Inputs(), RNG)
    assert one.judge(fit, view, Inputs(), RNG).valid
    failed = one.judge(replace(fit, converged=False), view, Inputs(), RNG)
    assert not failed.valid
    assert np.isnan(failed.statistic)


def test_the_statistic_is_that_of_the_card() -> None:
    view = observed(900, POOLS).view
    largest = judged(search(), view)
    assert largest.statistic == largest.local_significance.max()
    window = judged(search(statistic={"kind": "bumphunter", "max_width": 4}), view)
    assert window.statistic == bump_hunter(window.observed, window.fit.expected, 4).statistic
    # The signal, 60 GeV wide at 3500 GeV, fills two bins: its window beats the single bin.
    assert window.statistic > bump_hunter(window.observed, window.fit.expected, 1).statistic


def test_windows_collect_a_signal_on_the_edge_of_two_bins() -> None:
    view = observed(900, POOLS).view
    single, windows = judged(search(), view), judged(search(windows={"widths": [1, 2]}), view)
    excess = scan_bins(windows.observed, windows.fit.expected, (1, 2))
    assert (windows.statistic, windows.window) == (excess.significance, (4, 6))
    assert windows.statistic > single.statistic
    spectrum = search(windows={}).observe(windows, view, None).spectrum
    assert spectrum is not None
    assert spectrum.window == (3400.0, 3600.0)


@pytest.mark.parametrize("template", [{"width": 0.02}, {"shape": "signal", "mass": 3500.0}])
def test_a_template_finds_mass_and_strength(template: dict[str, Any]) -> None:
    data = observed(900, POOLS)
    one = search(template=template)
    found = judged(one, data.view)
    inside = int(data.injected.sum())
    assert found.details["best_mass"] == pytest.approx(3500, abs=50)
    assert found.details["strength"] == pytest.approx(inside, rel=0.35)
    assert found.statistic > judged(search(), data.view).statistic
    spectrum = one.observe(found, data.view, None).spectrum
    assert spectrum is not None
    assert spectrum.local_z == found.statistic
    assert one.toy(data, RNG).n_events > 0


def test_a_measured_uncertainty_of_the_function_lowers_the_significance() -> None:
    plain, wide = search(), search(statistic={"background_uncertainty": "measured"})
    assert wide.relative_error is not None
    assert 1e-4 < wide.relative_error.max() < 0.2
    view = doped(900, pools=POOLS).view
    one, other = judged(plain, view), judged(wide, view)
    b = one.fit.expected
    spread = np.sqrt(b + (wide.relative_error * b) ** 2)
    np.testing.assert_allclose(other.local_significance, np.maximum(view.spectrum - b, 0) / spread)
    assert other.statistic < one.statistic
    window = judged(search(statistic={"background_uncertainty": 0.02}, windows={"widths": [2]}), view)
    assert window.statistic < judged(search(windows={"widths": [2]}), view).statistic
    # What is kept in a folder gives the same again.
    found = wide.observe(other, view, None)
    again = restore(wide.section, found)
    assert again is not None
    assert again.statistic == pytest.approx(other.statistic)


@pytest.mark.parametrize(
    "keys",
    [
        {"statistic": {"background_uncertainty": 0.1, "kind": "bumphunter"}},
        {"statistic": {"background_uncertainty": 0.1}, "template": {}},
        {"statistic": {"background_uncertainty": -0.1}},
    ],
)
def test_an_uncertainty_that_would_have_no_effect_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="background_uncertainty"):
        DijetFitSection(**keys)
