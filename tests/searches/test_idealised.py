"""The idealised detector: the data of each window against true background of the same window."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score
from toy_views import SIGNAL_WINDOW, drawn, inputs_of, observed, pools_of, search_of

from hepcs.datasets.bootstrap import EventView
from hepcs.searches.cut_and_fit.search import CutResult
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.idealised import Idealised

POOLS = pools_of(12_000)
INPUTS = inputs_of(POOLS)
SECTION = Idealised(trees=TreesSection(rounds=12, leaves=8), efficiencies=(0.03,), folds=2)
SEARCH = search_of(SECTION, POOLS)


def found_in(data: EventView, seed: int = 1) -> CutResult:
    rng = np.random.default_rng(seed)
    return SEARCH.judge(SEARCH.fit(data, INPUTS, rng), data, INPUTS, rng)


def test_a_signal_is_found_in_its_window() -> None:
    found = found_in(observed(POOLS, 200).view)
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6


def test_the_window_of_the_signal_is_where_its_events_score_high() -> None:
    data = observed(POOLS, 300)
    fit = SEARCH.fit(data.view, INPUTS, np.random.default_rng(2))
    assert fit.values.shape == (11, len(data.view.m_jj))
    aucs = [roc_auc_score(data.injected, scores) for scores in fit.values]
    assert aucs[SIGNAL_WINDOW] > 0.85
    # Windows without the signal know nothing of it.
    assert abs(np.mean([aucs[0], aucs[-1]]) - 0.5) < 0.2


def test_without_signal_it_finds_none() -> None:
    """Though half of the copies of what is searched are in the sample that it is compared with."""
    found = [found_in(drawn(POOLS, index=index).view) for index in range(3)]
    assert all(one.valid for one in found)
    assert abs(np.mean([one.scan.local_z for one in found])) < 0.5


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again, other = (found_in(data, seed).scan.kept for seed in (3, 3, 4))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_it_needs_the_truth_and_the_whole_background() -> None:
    assert (SECTION.is_trained_once, SECTION.needs_truth, SECTION.roles) == (False, True, ())
    assert SEARCH.needs_samples
    assert SEARCH.cost.retrain
