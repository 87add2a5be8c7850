"""The idealised fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_card import toy_card
from toys import BINS, null, observed, toy_pools, toy_sample

from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.samples import Pools
from hepcs.searches.base import Inputs
from hepcs.searches.idealised_fit.search import IdealisedFitSearch, build
from hepcs.searches.idealised_fit.section import IdealisedFit
from hepcs.searches.kinds import Context

POOLS = toy_pools()
BACKGROUND = BINS.counts(POOLS.background.m_jj)


def search(pools: Pools = POOLS) -> IdealisedFitSearch:
    section = IdealisedFit()
    return build("idealised_fit", section, Context(toy_card(searches={"idealised_fit": section}), pools))


def judged(view: EventView) -> Any:
    one, rng = search(), np.random.default_rng(0)
    return one.judge(one.fit(view, Inputs(), rng), view, Inputs(), rng)


def test_it_compares_with_the_original_background() -> None:
    np.testing.assert_array_equal(search().expected, BACKGROUND)
    assert judged(observed(0, POOLS).view).statistic == 0
    data = observed(300, POOLS)
    found = judged(data.view)
    signal = found.observed - BACKGROUND
    np.testing.assert_array_equal(signal, BINS.counts(data.view.m_jj[data.injected]))
    assert found.statistic == pytest.approx(max(signal / np.sqrt(BACKGROUND)))
    spectrum = search().observe(found, data.view, data.injected).spectrum
    assert spectrum is not None
    np.testing.assert_array_equal(spectrum.expected, BACKGROUND)


def test_without_signal_it_is_the_largest_of_gaussian_deviations() -> None:
    """Of 16 ones: 1.77 on the average, 0.53 its standard deviation."""
    statistics = [judged(null(index, POOLS).view).statistic for index in range(200)]
    assert np.mean(statistics) == pytest.approx(1.77, abs=0.2)


def test_the_background_is_scaled_to_pseudo_data() -> None:
    data = toy_sample(1500, np.random.default_rng(8))
    np.testing.assert_allclose(search(replace(POOLS, data=data)).expected, BACKGROUND / 4)
