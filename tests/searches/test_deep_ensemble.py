"""Deep ensemble: signal hypotheses against background, on two sorts of features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from toy_card import SOURCES, toy_card
from toy_pairs import found_in, inputs_of, pairs_of, search_of
from toy_views import BINS, SIGNAL_WINDOW, drawn, observed

from hepcs.config import Card
from hepcs.datasets.bootstrap import whole
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.classifier import BoostedTrees, Scorer
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.deep_ensemble import DeepEnsemble, PriorEnsemble

POOLS = pairs_of(10_000)
INPUTS = inputs_of(POOLS)
QUICK: dict[str, Any] = {
    "features": "jets",
    "images": "words",
    "trees": TreesSection(rounds=10, leaves=6, min_leaf=20),
    "efficiencies": (0.03,),
    "folds": 3,
}
SEARCH = search_of(DeepEnsemble(**QUICK), POOLS).prepare(INPUTS, np.random.default_rng(1))


def test_a_signal_like_the_prior_is_found_in_its_window() -> None:
    data = observed(POOLS, 100)
    found = found_in(SEARCH, data.view)
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 5


def test_both_sorts_of_features_are_better_than_each() -> None:
    data, events = observed(POOLS, 300), {role: Events(view, "jets") for role, view in INPUTS.samples.items()}
    aucs = {}
    for features in (("jets",), ("words",), ("jets", "words")):
        training = PriorEnsemble(BoostedTrees(rounds=10, leaves=6, min_leaf=20), 3, features)
        prepared = training.prepare(events, np.random.default_rng(2))
        found = prepared.scores(Events(data.view, "jets"), SEARCH.windows, {}, np.random.default_rng(3))
        aucs[features] = roc_auc_score(data.injected, found.values[0])
    assert aucs["jets", "words"] > max(aucs["jets",], aucs["words",])


def test_without_signal_local_significances_are_normal() -> None:
    """Of background that the models have not seen."""
    section = SEARCH.section.model_copy(update={"efficiencies": (0.1,)})
    search = replace(SEARCH, section=section)
    z = []
    for seed in range(5):
        pools = pairs_of(4000, 10, seed=seed + 20)
        z += found_in(search, observed(pools).view).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(15)
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


def test_no_event_is_scored_by_a_model_that_saw_it() -> None:
    events = {role: Events(view, "identity") for role, view in INPUTS.samples.items()}
    training = PriorEnsemble(Memory(), 3, ("identity", "identity")).prepare(events, np.random.default_rng(4))
    for data in (drawn(POOLS).view, INPUTS.samples["background"], INPUTS.samples["priors.wide"]):
        assert not training.scores(
            Events(data, "identity"), SEARCH.windows, {}, np.random.default_rng(5)
        ).values.any()


def test_priors_that_are_background_teach_nothing() -> None:
    rng = np.random.default_rng(6)
    sample = POOLS.background
    chosen = rng.random(sample.n_events) < 0.2
    views = [whole(sample.take(mask, int(mask.sum())), BINS) for mask in (chosen, ~chosen)]
    events = {
        role: Events(view, "jets") for role, view in zip(("priors.none", "background"), views, strict=True)
    }
    training = PriorEnsemble(BoostedTrees(rounds=10, leaves=6), 3, ("jets", "words")).prepare(events, rng)
    found = training.scores(Events(INPUTS.samples["background"], "jets"), SEARCH.windows, {}, rng)
    aucs = [
        roc_auc_score(chosen[found.folds == fold], found.values[0][found.folds == fold]) for fold in range(3)
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 / np.sqrt(12 * chosen.sum()))


def test_each_prior_counts_the_same() -> None:
    """However many events it has: a copy of one prior with a tenth of its events takes half of the weight."""
    seen: list[np.ndarray] = []

    @dataclass(frozen=True)
    class Noted(Memory):
        def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> Remembered:
            seen.append(weights[labels])
            return Remembered(x[:, 0])

    wide = POOLS.others["priors.wide"]
    few = replace(wide.take(np.arange(400) < 40, 40), first_event=10**6)
    events = {role: Events(view, "identity") for role, view in INPUTS.samples.items()}
    events["priors.few"] = Events(whole(few, BINS), "identity")
    PriorEnsemble(Noted(), 3, ("identity",)).prepare(events, np.random.default_rng(7))
    for weights in seen:
        values, counts = np.unique(weights.round(9), return_counts=True)
        assert counts[0] > 5 * counts[1]
        assert counts[0] * values[0] == pytest.approx(counts[1] * values[1], rel=0.3)


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again, other = (
        SEARCH.prepare(INPUTS, np.random.default_rng(seed))
        .fit(data, Inputs(), np.random.default_rng(0))
        .values
        for seed in (3, 3, 4)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_it_needs_priors_and_no_truth() -> None:
    section = DeepEnsemble()
    assert section.roles == ("priors", "background")
    assert (section.needs_truth, section.is_trained_once) == (False, True)
    assert section.feature_names == ("substructure", "image_pca")
    with pytest.raises(ValidationError, match="take another sort"):
        DeepEnsemble(images="substructure")
    with pytest.raises(ValidationError, match="needs the sample 'priors', which the card does not have"):
        toy_card(searches={"deep_ensemble": section})
    priors = {"wide": {"kind": "root", "files": "prior.root"}}
    data = {
        "background": SOURCES["background"],
        "data": {"kind": "root", "files": "data.root"},
        "priors": priors,
    }
    card = Card.model_validate(
        {"name": "toy", "samples": data, "searches": {"one": {"kind": "deep_ensemble"}}}
    )
    assert card.samples.is_real_search
