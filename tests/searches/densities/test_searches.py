"""Searches by densities, on toys: CATHODE, ANODE and GIS."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from toy_views import BINS, drawn, inputs_of, observed, pools_of, search_of

pytest.importorskip("jax")

from hepcs._core.errors import CardError, ComputationError
from hepcs.datasets.bootstrap import EventView, whole
from hepcs.datasets.samples import Sample
from hepcs.searches.anode import Anode
from hepcs.searches.base import Inputs
from hepcs.searches.cathode import Cathode, CathodeTraining
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch
from hepcs.searches.cut_and_fit.section import CutAndFit, TreesSection
from hepcs.searches.cut_and_fit.training import Scores
from hepcs.searches.densities.section import FlowSection
from hepcs.searches.gis import Gis

# Compiling the training loop takes longer than all else.
pytestmark = pytest.mark.slow

POOLS = pools_of(12_000)
FLOW = FlowSection(hidden=16, components=4, epochs=15, batch=256, learning_rate=5e-3)
QUICK: dict[str, Any] = {"flow": FLOW, "efficiencies": (0.03,), "folds": 2, "window": 4}
SECTIONS: dict[str, CutAndFit] = {
    "cathode": Cathode(**QUICK, trees=TreesSection(rounds=12, leaves=8), oversampling=2.0),
    "anode": Anode(**QUICK),
    "gis": Gis(**QUICK, distance=400.0),
}
# Of 400 GeV: it holds the resonance in the bins 6 and 7.
RIGHT = {0, 1, 2}

each = pytest.mark.parametrize("name", SECTIONS)


@cache
def prepared(name: str) -> ScoreSearch:
    """Whose densities outside of the windows are trained on the background."""
    return search_of(SECTIONS[name], POOLS).prepare(inputs_of(POOLS), np.random.default_rng(1))


@cache
def anew(name: str) -> ScoreSearch:
    """That trains all in each data set."""
    section = SECTIONS[name]
    return search_of(section if name == "gis" else section.model_copy(update={"retrain": True}), POOLS)


def scores_of(search: ScoreSearch, view: EventView, seed: int = 1) -> Scores:
    return search.fit(view, Inputs(), np.random.default_rng(seed))


def found_in(search: ScoreSearch, view: EventView) -> CutResult:
    return search.judge(scores_of(search, view), view, Inputs(), np.random.default_rng(1))


def all_events(seed: int, n: int = 12_000) -> EventView:
    return observed(pools_of(n, 10, seed=seed)).view


@each
def test_a_signal_is_found_in_its_window(name: str) -> None:
    found = found_in(prepared(name), observed(POOLS, 250).view)
    assert found.valid
    assert found.scan.best[0] in RIGHT
    assert found.statistic > (4 if name == "gis" else 6)


@each
def test_without_signal_local_significances_are_like_normal_ones(name: str) -> None:
    results = [found_in(prepared(name), all_events(seed)) for seed in (2, 3, 4)]
    z = np.array([found.scan.local_z for found in results])
    assert abs(z.mean()) < 0.9
    assert z.max() < 4
    assert all(np.allclose(found.scan.kept.sum(axis=-1), 360, atol=3) for found in results)


@each
def test_what_judges_an_event_has_not_seen_it(name: str) -> None:
    """Events of one fold change places: their own scores go with them, those of the others change."""
    view, search = all_events(5), anew(name)
    before = scores_of(search, view)
    places = np.arange(len(view.m_jj))
    moved = np.flatnonzero(before.folds == 0)
    places[moved] = np.random.default_rng(6).permutation(moved)
    (part,) = view.parts
    features = {"event": part.sample.features["event"][places]}
    after = scores_of(search, whole(replace(part.sample, features=features), BINS))
    assert np.array_equal(before.folds, after.folds)
    own, others = (
        np.abs(after.values - before.values[:, places])[:, before.folds == fold] for fold in (0, 1)
    )
    assert np.quantile(own, 0.95) < 2e-3
    assert np.quantile(others, 0.5) > 5e-3


@each
def test_with_the_masses_shuffled_there_is_nothing(name: str) -> None:
    data = observed(POOLS, 250)
    x = data.view.features("event")
    m_jj = np.random.default_rng(7).permutation(data.view.m_jj)
    n = len(m_jj)
    sample = Sample(m_jj, {"event": x}, np.arange(n), n, "shuffled", 10**6)
    search = prepared(name)
    assert found_in(search, whole(sample, BINS)).statistic < 4.5


@each
def test_the_same_bits_wherever_it_is_sent(name: str) -> None:
    view, search = drawn(POOLS).view, prepared(name)
    sent = pickle.loads(pickle.dumps(search))  # noqa: S301
    once, again = scores_of(search, view), scores_of(sent, view)
    assert np.array_equal(once.values, again.values)
    # Trees draw nothing, and CATHODE has drawn its events before.
    assert name == "cathode" or not np.array_equal(once.values, scores_of(search, view, seed=2).values)


def test_events_that_cathode_draws_are_like_the_background_of_the_window() -> None:
    from hepcs.searches.cut_and_fit.classifier import BoostedTrees

    training = prepared("cathode").training
    assert isinstance(training, CathodeTraining)
    assert training.background is not None
    other = all_events(8, 24_000)
    rng = np.random.default_rng(9)
    for window in (0, 2, 4):
        inside = prepared("cathode").windows.inside[window][BINS.index(other.m_jj)]
        x, like = other.features("event")[inside], training.background.x[window][0]
        n = min(len(x), len(like))
        both, labels = np.concatenate([x[:n], like[:n]]), np.arange(2 * n) < n
        seen = rng.random(2 * n) < 0.5
        model = BoostedTrees(rounds=20, leaves=8).fit(both[seen], np.ones(seen.sum()), labels[seen], rng)
        assert abs(roc_auc_score(labels[~seen], model.score(both[~seen])) - 0.5) < 0.05


@pytest.mark.parametrize("name", ["cathode", "anode"])
def test_what_is_trained_once_is_said(name: str) -> None:
    section = SECTIONS[name]
    assert section.roles == ("background",)
    assert section.conditional_on.startswith("The densities outside of the windows were trained once")
    again = section.model_copy(update={"retrain": True})
    assert (again.roles, again.conditional_on) == ((), "")
    assert not section.needs_truth
    assert {"jax", "equinox", "optax"} <= {*section.packages}


@pytest.mark.parametrize("name", ["cathode", "anode"])
def test_too_few_events_in_a_window_are_refused(name: str) -> None:
    with pytest.raises(
        CardError, match=r"window: \d+ events of all folds but one lie in the window of"
    ) as refused:
        search_of(SECTIONS[name].model_copy(update={"efficiencies": (0.5,)}), pools_of(4000, 10))
    assert "expected 500 or more to train on" in str(refused.value)


@pytest.mark.parametrize("distance", [700.0, 100.0])
def test_gis_compares_within_the_region_and_outside_of_the_window(distance: float) -> None:
    with pytest.raises(CardError, match=r"distance: found \d+ GeV; expected 200 or more"):
        search_of(Gis(**QUICK, distance=distance), POOLS)


@pytest.mark.parametrize("name", ["cathode", "anode"])
def test_trainings_that_go_wrong_are_never_used_in_silence(name: str) -> None:
    wild = FLOW.model_copy(update={"learning_rate": 1.0, "epochs": 2})
    section = SECTIONS[name].model_copy(update={"flow": wild})
    with pytest.raises(
        ComputationError, match=r"trainings of the densities outside .* diverged or collapsed"
    ):
        search_of(section, POOLS).prepare(inputs_of(POOLS), np.random.default_rng(1))
    each_time = search_of(section.model_copy(update={"retrain": True}), POOLS)
    found = found_in(each_time, all_events(5))
    assert found.failed_trainings > 0
    assert not found.valid


@each
def test_p_of_null_samples_is_uniform(name: str) -> None:
    """Independent samples, each searched once: the statistics of one half calibrate the other."""
    statistics = np.array([found_in(prepared(name), all_events(seed)).statistic for seed in range(20, 48)])
    null, tested = statistics[::2], statistics[1::2]
    p = ((null[:, np.newaxis] >= tested).sum(axis=0) + 1) / (len(null) + 1)
    assert stats.ks_2samp(null, tested).pvalue > 0.005
    assert 0.25 < p.mean() < 0.75
