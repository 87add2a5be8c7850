"""Tag N' Train: the score of one jet trains the classifier of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from toy_pairs import found_in, pairs_of, search_of, shuffled
from toy_views import SIGNAL_WINDOW, drawn, observed

from hepcs._core.errors import CardError
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.tag_n_train import TagNTrain
from hepcs.searches.tag_n_train.training import TaggedJets

POOLS = pairs_of(12_000)
QUICK: dict[str, Any] = {
    "features": "jets",
    "folds": 3,
    "trees": TreesSection(rounds=15, leaves=6, min_leaf=50),
    "efficiencies": (0.03,),
}
SEARCH = search_of(TagNTrain(**QUICK), POOLS)


def test_a_signal_is_found_in_its_window() -> None:
    data = observed(POOLS, 200)
    found = found_in(SEARCH, data.view)
    assert found.valid
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6


@dataclass(frozen=True)
class Blunt(Scorer):
    """What is unlike in a jet, under a noise that has nothing to do with it."""

    def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> Blunt:
        return self

    def score(self, x: np.ndarray) -> np.ndarray:
        return x[:, 1] - x[:, 2] + 1.2 * np.sin(1e4 * x[:, 0].astype(float))


def test_classifiers_are_better_than_the_score_that_starts_them_and_again() -> None:
    aucs = []
    for data in (observed(pairs_of(12_000, seed=seed), 80) for seed in (1, 2)):
        jets = data.view.features("jets")
        start = np.min([np.argsort(np.argsort(Blunt().score(jets[:, jet]))) for jet in (0, 1)], axis=0)
        found = [start]
        for iterations in (1, 2):
            training = replace(SEARCH.training, first=Blunt(), iterations=iterations, folds=5)
            rng = np.random.default_rng(3)
            found += [*training.scores(Events(data.view, "jets"), SEARCH.windows, {}, rng).values]
        aucs.append([roc_auc_score(data.injected, one, max_fpr=0.02) for one in found])
    first, once, twice = np.mean(aucs, axis=0)
    assert first + 0.2 < once < twice


def test_in_a_window_each_has_scores_of_its_own() -> None:
    search = search_of(TagNTrain(**QUICK, in_window=True, iterations=1), POOLS)
    data = observed(POOLS, 150)
    fit = search.fit(data.view, Inputs(), np.random.default_rng(2))
    assert fit.values.shape == (11, len(data.view.m_jj))
    aucs = [roc_auc_score(data.injected, scores) for scores in fit.values]
    assert aucs[SIGNAL_WINDOW] > max(aucs[0], aucs[-1])
    assert search.judge(fit, data.view, Inputs(), np.random.default_rng(3)).scan.best[0] == SIGNAL_WINDOW


def test_without_signal_local_significances_are_normal() -> None:
    search = search_of(TagNTrain(**{**QUICK, "efficiencies": (0.1,)}), POOLS)
    z = []
    for seed in range(5):
        pools = pairs_of(5000, 10, seed=seed + 10)
        z += found_in(search, observed(pools).view).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(15)
    assert 0.5 < np.std(z) < 1.5


def test_jets_that_are_not_independent_are_noticed() -> None:
    data = observed(pairs_of(8000, 10, seed=4)).view
    numbers = SEARCH.fit(data, Inputs(), np.random.default_rng(1)).numbers
    # Independent jets: 1 within its error, of 0.04 x 8000 events and more.
    assert numbers["lift_first"] == pytest.approx(1, abs=0.25)
    assert numbers["lift_last"] == pytest.approx(1, abs=0.25)
    (part,) = data.parts
    jets = part.sample.features["jets"]
    jets[:, 1, 1:] = jets[:, 0, 1:]
    assert SEARCH.fit(data, Inputs(), np.random.default_rng(1)).numbers["lift_first"] > 2


def test_momentum_that_both_jets_share_is_not_learned() -> None:
    """A shape of both jets that rises with m_jj makes them alike; tags are shares of the events of like m_jj."""
    pools = pairs_of(12_000, 10, seed=8)
    jets = pools.background.features["jets"]
    jets[:, :, 1] += (2e-3 * (pools.background.m_jj - 3500))[:, np.newaxis]
    found = SEARCH.fit(observed(pools).view, Inputs(), np.random.default_rng(1))
    plain = SEARCH.fit(observed(pairs_of(12_000, 10, seed=8)).view, Inputs(), np.random.default_rng(1))
    m_jj = observed(pools).view.m_jj
    trends = [abs(np.corrcoef(m_jj, one.values[0])[0, 1]) for one in (plain, found)]
    assert trends[1] < trends[0] + 0.1


def test_jets_of_other_events_teach_nothing() -> None:
    """Where the second jet is that of any other event, tags of one tell nothing of the other."""
    data = observed(pairs_of(12_000, 10, seed=5)).view
    mixed = shuffled(data, "jets", np.random.default_rng(6), jet=1)
    training = SEARCH.training
    assert isinstance(training, TaggedJets)
    found = training.scores(Events(mixed, "jets"), SEARCH.windows, {}, np.random.default_rng(7))
    assert found.numbers["lift_last"] == pytest.approx(1, abs=0.25)


@dataclass(frozen=True)
class Remembered:
    """Scores 1 for the events that it, or what tagged its training events, was trained on."""

    seen: np.ndarray

    def score(self, x: np.ndarray) -> np.ndarray:
        return np.isin(x[:, 0], self.seen).astype(float)


@dataclass(frozen=True)
class Memory(Scorer):
    """Remembers the identities of its training events."""

    def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> Remembered:
        return Remembered(x[:, 0].copy())


@pytest.mark.parametrize("in_window", [False, True])
@pytest.mark.parametrize("iterations", [1, 2])
def test_no_event_is_scored_by_a_model_that_saw_it(
    in_window: bool, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn(pairs_of(2500, 100), 50).view
    asked: list[float] = []
    score = Remembered.score

    def noted(model: Remembered, x: np.ndarray) -> np.ndarray:
        asked.append(score(model, x).sum())
        return np.random.default_rng(len(asked)).random(len(x))

    monkeypatch.setattr(Remembered, "score", noted)
    training = TaggedJets(Memory(), 3, Memory(), "identity", iterations, (0.4, 0.2), in_window, by_mass=False)
    found = training.scores(Events(data, "identity"), SEARCH.windows, {}, np.random.default_rng(1))
    assert found.values.shape == (11 if in_window else 1, len(data.m_jj))
    assert len(asked) == 12 + (11 if in_window else 1) * (6 if iterations == 1 else 18)
    assert not any(asked), "some model was asked about events of its own training"


def test_copies_of_an_event_have_one_order_and_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again, other = (
        SEARCH.fit(data, Inputs(), np.random.default_rng(seed)).values for seed in (3, 3, 4)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_heavier_jet_first() -> None:
    search = search_of(TagNTrain(**QUICK, order="mass"), POOLS)
    data = observed(POOLS, 200)
    assert found_in(search, data.view).scan.best[0] == SIGNAL_WINDOW


def test_another_search_starts_it() -> None:
    section = TagNTrain(**QUICK, first={"kind": "lda", "features": "words", "passes": 2})
    assert section.feature_names == ("jets", "words")
    assert section.packages == ("lightgbm", "scikit-learn")
    again = TagNTrain.model_validate_json(section.model_dump_json())
    assert again == section
    assert section.training() == again.training()
    other = TagNTrain(**QUICK, first={"kind": "pca_outliers", "kept_variance": 0.5})
    assert search_of(other, POOLS).fit_key != SEARCH.fit_key
    found = found_in(search_of(other, POOLS), observed(POOLS, 200).view)
    assert found.scan.best[0] == SIGNAL_WINDOW


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"first": {"kind": "cwola"}},
            "the score of 'cwola' is not one of jets that is trained without labels",
        ),
        ({"first": {"kind": "nothing"}}, "expected the `kind` of a search, one of .*found 'nothing'"),
        (
            {"first": {"kind": "pca_outliers", "kept_variance": 2.0}},
            "kept_variance: Input should be less than 1",
        ),
        ({"first": {"kind": "dijet_fit"}}, "CutAndFit"),
        ({"signal_like": 0.7}, "more than all events together"),
        ({"folds": 2}, "greater than or equal to 3"),
    ],
)
def test_settings_that_make_no_sense_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TagNTrain(**keys)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"features": "shapes"}, r"searches.toy.features: 'shapes' are features of events"),
        (
            {"order": "mass", "features": "identity"},
            r"searches.toy.order: is by mass, and 'identity' have no column",
        ),
        (
            {"first": {"kind": "lda", "features": "words"}},
            r"searches.toy.first: 'words' are features of events",
        ),
    ],
)
def test_features_of_events_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(CardError, match=reason):
        search_of(TagNTrain(**{**QUICK, **keys}), POOLS)
