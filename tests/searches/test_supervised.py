"""The supervised bound: trained on the truth, once for all data sets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_views import SIGNAL_WINDOW, drawn, inputs_of, observed, pools_of, search_of

from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import DataSet, Kind, Task, draw_data_set
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cut_and_fit.training import Events, FoldModels, Once
from hepcs.searches.supervised import Supervised

POOLS = pools_of(12_000, 800)
SECTION = Supervised(trees=TreesSection(rounds=15, leaves=8), efficiencies=(0.02,), folds=3)


def prepared(seed: int = 1) -> ScoreSearch:
    return search_of(SECTION, POOLS).prepare(inputs_of(POOLS), np.random.default_rng(seed))


SEARCH = prepared()


def found_in(data: DataSet, seed: int = 1) -> CutResult:
    rng = np.random.default_rng(seed)
    return SEARCH.judge(SEARCH.fit(data.view, Inputs(), rng), data.view, Inputs(), rng)


def test_it_separates_signal_that_it_has_not_seen() -> None:
    data = drawn(POOLS, 400)
    fit = SEARCH.fit(data.view, Inputs(), np.random.default_rng(2))
    for fold in range(3):
        here = fit.folds == fold
        assert roc_auc_score(data.injected[here], fit.values[0][here]) > 0.98
    # Those of a signal sample that the models never saw.
    other = pools_of(12_000, 800, seed=9)
    unseen = draw_data_set(other, Task(Kind.DOPED, 400, 0, "signal"), 1)
    fit = SEARCH.fit(unseen.view, Inputs(), np.random.default_rng(2))
    assert roc_auc_score(unseen.injected, fit.values[0]) > 0.98


def test_a_small_signal_is_found_and_none_where_there_is_none() -> None:
    found = found_in(observed(POOLS, 120))
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6
    assert found_in(observed(POOLS)).statistic < 4


def models_of(search: ScoreSearch) -> FoldModels:
    assert isinstance(search.training, Once)
    assert search.training.models is not None
    return search.training.models


def test_one_training_judges_all_data_sets() -> None:
    assert not SEARCH.cost.retrain
    assert len(models_of(SEARCH).models) == 3
    again = prepared()
    data = drawn(POOLS, 100).view
    scores = [
        one.fit(data, Inputs(), np.random.default_rng(seed)).values for one, seed in ((SEARCH, 3), (again, 4))
    ]
    # Training has a generator of its own, and scoring needs none.
    assert np.array_equal(*scores)
    assert not np.array_equal(
        scores[0], prepared(seed=5).fit(data, Inputs(), np.random.default_rng(3)).values
    )


def test_several_signals_are_trained_on_together() -> None:
    one, two = pools_of(8000, 300), pools_of(8000, 300, seed=8)
    inputs = inputs_of(one)
    samples = {
        "background": inputs.samples["background"],
        "signal.a": inputs.samples["signal"],
        "signal.b": inputs_of(two).samples["signal"],
    }
    search = search_of(SECTION, one).prepare(Inputs(samples), np.random.default_rng(6))
    assert models_of(search).events.size == 8600
    training = Supervised(trees=SECTION.trees, folds=3, signal="b").training()
    alone = training.prepare(
        {role: Events(view, "event") for role, view in samples.items()}, np.random.default_rng(6)
    )
    assert alone.models is not None
    assert alone.models.events.size == 8300


def test_a_signal_that_is_not_there_is_named() -> None:
    source = {"kind": "root", "files": "toy.root"}
    samples = {"background": source, "signals": {"wide": source, "narrow": source}}
    card = Card.model_validate({"name": "toy", "samples": samples})
    assert [*Supervised(signal="narow").problems_in(card)] == [
        ("signal", "found 'narow', expected one of the signals: wide, narrow")
    ]
    assert not [*Supervised(signal="narrow").problems_in(card)]


def test_it_needs_the_truth_and_the_signal() -> None:
    assert (SECTION.is_trained_once, SECTION.needs_truth, SECTION.roles) == (True, True, ("signal",))
    assert not SEARCH.needs_samples, "`prepare` alone is given whole samples"


@pytest.mark.parametrize("seed", [1, 2])
def test_judging_draws_only_the_order_of_equal_scores(seed: int) -> None:
    data = observed(POOLS, 50)
    kept = found_in(data, seed).scan.kept
    assert np.allclose(kept.sum(axis=-1), 0.02 * data.view.n_events, atol=3)
