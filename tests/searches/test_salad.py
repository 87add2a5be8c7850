"""SALAD: data against simulation that is reweighted to them in the sidebands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_pairs import background, found_in, inputs_of, pairs_of, search_of
from toy_views import BINS, SIGNAL_WINDOW, drawn, observed

from hepcs._core.errors import CardError
from hepcs.datasets.bootstrap import whole
from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cut_and_fit.training import AgainstSample, Events
from hepcs.searches.salad import AgainstReweighted, Salad, _Both

# Simulation of which the shapes are off by half of their spread.
POOLS = pairs_of(12_000, simulated=12_000, shift=0.5)
INPUTS = inputs_of(POOLS)
QUICK: dict[str, Any] = {
    "features": "jets",
    "trees": TreesSection(rounds=12, leaves=8, min_leaf=30),
    "reweighting": TreesSection(rounds=30, leaves=8, min_leaf=30),
    "efficiencies": (0.03,),
    "folds": 2,
}
SEARCH = search_of(Salad(**QUICK), POOLS)


def test_a_signal_is_found_though_the_simulation_is_off() -> None:
    found = found_in(SEARCH, observed(POOLS, 150).view, INPUTS)
    assert found.valid
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6


def test_reweighted_simulation_is_like_data_and_what_was_not_reweighted_is_not() -> None:
    """In a window without signal, scores do not tell data from other background."""
    data = observed(POOLS).view
    events = {role: Events(view, "jets") for role, view in INPUTS.samples.items()}
    fresh = whole(background(12_000, np.random.default_rng(9), 10**6, shift=0.5), BINS)
    both = Events(data, "jets"), Events(fresh, "jets")
    inside = [np.isin(one.bin, [6, 7]) for one in both]
    labels = np.repeat([True, False], [mask.sum() for mask in inside])

    def auc(training: Any) -> float:
        """Of data against unweighted simulation: what has nothing left to learn gives flat scores."""
        found = [
            training.scores(one, SEARCH.windows, events, np.random.default_rng(1)).values[SIGNAL_WINDOW][mask]
            for one, mask in zip(both, inside, strict=True)
        ]
        return float(roc_auc_score(labels, np.concatenate(found)))

    scorer = SEARCH.training.scorer  # type: ignore[attr-defined]
    plain, reweighted = auc(AgainstSample(scorer, 2, "simulation")), auc(AgainstReweighted(scorer, 2, scorer))
    # Of some 2,500 events of either kind: an AUC of one half has an error of 0.008.
    assert plain > 0.57
    assert abs(reweighted - 0.5) < 0.35 * (plain - 0.5)


def test_ratios_are_interpolated_in_m_jj() -> None:
    """A shape of the data that moves with m_jj is followed into the window from both sides."""
    rng = np.random.default_rng(3)
    pools = pairs_of(30_000, simulated=30_000, seed=6)
    jets = pools.background.features["jets"]
    jets[:, :, 1:] += (0.4 * (pools.background.m_jj - 3000) / 1000)[:, np.newaxis, np.newaxis]
    inputs, data = inputs_of(pools), Events(observed(pools).view, "jets")
    simulation = Events(inputs.samples["simulation"], "jets")
    training = search_of(Salad(**QUICK), pools).training
    pair = (data, simulation)
    x, m_jj, bins, weights = (
        np.concatenate([getattr(one, name) for one in pair]) for name in ("x", "m_jj", "bin", "weights")
    )
    both = _Both(x, m_jj, bins, weights, np.arange(len(x)) < len(data))
    rows = [np.flatnonzero(np.isin(bins, some)) for some in ([6, 7], [4, 5], [8, 9])]
    factors = training._factors(both, training.reweighter.on(x), rows, rng)
    there = rows[0]
    real = both.is_data[there]
    assert (factors[real] == 1).all()
    wanted = x[there[real], 1].mean()
    before = x[there[~real], 1].mean()
    after = np.average(x[there[~real], 1], weights=factors[~real])
    assert wanted - before > 0.2
    assert abs(after - wanted) < 0.25 * (wanted - before)


def test_without_signal_local_significances_are_normal() -> None:
    search = search_of(Salad(**{**QUICK, "efficiencies": (0.1,)}), POOLS)
    z = []
    for seed in range(4):
        pools = pairs_of(4000, 10, seed=seed + 10, simulated=4000, shift=0.3)
        z += found_in(search, observed(pools).view, inputs_of(pools)).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(12)
    assert 0.5 < np.std(z) < 1.5


@dataclass(frozen=True)
class Remembered:
    seen: np.ndarray

    def score(self, x: np.ndarray) -> np.ndarray:
        return np.isin(x[:, 0], self.seen).astype(float)


@dataclass(frozen=True)
class Memory(Scorer):
    """Remembers the identities of its training events."""

    def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> Remembered:
        return Remembered(x[:, 0].copy())


def test_no_event_is_scored_or_weighted_by_a_model_that_saw_it() -> None:
    pools = pairs_of(2500, 100, simulated=2500)
    data = drawn(pools, 50).view
    samples = {role: Events(view, "identity") for role, view in inputs_of(pools).samples.items()}
    training = AgainstReweighted(Memory(), 3, Memory())
    found = training.scores(Events(data, "identity"), SEARCH.windows, samples, np.random.default_rng(1))
    assert found.values.shape == (11, len(data.m_jj))
    assert not found.values.any()


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again = (SEARCH.fit(data, INPUTS, np.random.default_rng(3)).values for _ in range(2))
    assert np.array_equal(once, again)


def test_it_needs_simulation_that_overlaps() -> None:
    section = Salad(**QUICK)
    assert (section.roles, section.needs_truth) == (("simulation",), False)
    with pytest.raises(CardError, match="needs the sample 'simulation'"):
        search_of(section, pairs_of(6000))
    with pytest.raises(CardError, match="does not overlap the data in shape_2 of the second jet"):
        search_of(section, pairs_of(6000, simulated=6000, shift=8.0))
