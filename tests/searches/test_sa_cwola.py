"""SA-CWoLa: what simulation tells apart is unlearned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_pairs import found_in, inputs_of, pairs_of, search_of
from toy_views import SIGNAL_WINDOW, drawn, observed

from hepcs._core.errors import CardError
from hepcs.datasets.samples import Pools, Sample
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cwola import Cwola
from hepcs.searches.sa_cwola import SaCwola

POOLS = pairs_of(12_000, simulated=12_000)
INPUTS = inputs_of(POOLS)
QUICK: dict[str, Any] = {
    "features": "jets",
    "trees": TreesSection(rounds=12, leaves=8, min_leaf=30),
    "efficiencies": (0.03,),
    "folds": 2,
}
SEARCH = search_of(SaCwola(**QUICK), POOLS)


def leaking(sample: Sample, at: float) -> Sample:
    """A sample with a shape that depends on how far m_jj is from a value: most unlike at it."""
    jets = sample.features["jets"].copy()
    jets[:, :, 1] += 2 * np.exp(-(((sample.m_jj - at) / 100) ** 2))[:, np.newaxis]
    return replace(sample, features={**sample.features, "jets": jets})


def leaking_pools(pools: Pools) -> Pools:
    others = {**pools.others, "simulation": leaking(pools.others["simulation"], 3700.0)}
    return replace(pools, background=leaking(pools.background, 3700.0), others=others)


def test_a_signal_is_found_in_its_window() -> None:
    found = found_in(SEARCH, observed(POOLS, 150).view, INPUTS)
    assert found.valid
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6


def test_a_feature_that_knows_the_window_tells_nothing_where_simulation_knows_it_too() -> None:
    pools = leaking_pools(POOLS)
    data, inputs = observed(pools).view, inputs_of(pools)
    inside = np.isin(data.bins.index(data.m_jj), [6, 7])
    near = np.isin(data.bins.index(data.m_jj), range(4, 10))

    def auc(search: Any) -> float:
        scores = search.fit(data, inputs, np.random.default_rng(1)).values[SIGNAL_WINDOW]
        return float(roc_auc_score(inside[near], scores[near]))

    plain, unlearned = auc(search_of(Cwola(**QUICK), pools)), auc(search_of(SaCwola(**QUICK), pools))
    assert plain > 0.6
    assert abs(unlearned - 0.5) < 0.04
    half = auc(search_of(SaCwola(**QUICK, strength=0.3), pools))
    assert unlearned < half < plain


def test_without_signal_local_significances_are_normal() -> None:
    search = search_of(SaCwola(**{**QUICK, "efficiencies": (0.1,)}), POOLS)
    z = []
    for seed in range(4):
        pools = pairs_of(4000, 10, seed=seed + 10, simulated=4000)
        z += found_in(search, observed(pools).view, inputs_of(pools)).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(12)
    assert 0.5 < np.std(z) < 1.5


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again, other = (SEARCH.fit(data, INPUTS, np.random.default_rng(seed)).values for seed in (3, 3, 4))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_it_needs_simulation_and_compares_in_each_data_set() -> None:
    section = SaCwola(**QUICK)
    assert section.roles == ("simulation",)
    assert SEARCH.needs_samples
    assert not section.needs_truth
    with pytest.raises(CardError, match=r"searches\.toy: needs the sample 'simulation'"):
        search_of(section, pairs_of(6000))


def test_simulation_that_does_not_overlap_is_refused_with_the_feature() -> None:
    with pytest.raises(CardError) as refused:
        search_of(SaCwola(**QUICK), pairs_of(6000, simulated=6000, shift=8.0))
    assert "the simulation does not overlap the data in shape_1 of the leading jet of 'jets'" in str(
        refused.value
    )
    with pytest.raises(CardError, match=r"the simulation has \d+ events in the \w+ from m_jj = \d+ GeV on"):
        search_of(SaCwola(**QUICK), pairs_of(6000, simulated=500))
