"""QUAK on toys: the right prior, a wrong one, and none of the trials forgotten."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_card import SOURCES, toy_card
from toy_views import BINS, drawn, observed, pools_of, resonance

pytest.importorskip("jax")

from hepcs._core.errors import ArgumentError, CardError, ComputationError
from hepcs.datasets.bootstrap import EventView, whole
from hepcs.datasets.samples import Pools, Sample
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.scan import scan_cuts
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.searches.densities.section import FlowSection
from hepcs.searches.kinds import Context
from hepcs.searches.quak.search import QuakResult, QuakSearch, build, combined_z, shares_within, trials
from hepcs.searches.quak.section import Quak
from hepcs.searches.quak.training import UNLIKE_ANY, LossSpace, QuakTraining

# Compiling the training loop takes longer than all else.
pytestmark = pytest.mark.slow

FLOW = FlowSection(hidden=16, components=4, epochs=15, batch=256, learning_rate=5e-3)
SECTION = Quak(flow=FLOW, prior_epochs=15, efficiencies=(0.05, 0.02), folds=2, window=4)
BACKGROUND = pools_of(12_000)


def elsewhere(n: int, rng: np.random.Generator, first_event: int) -> Sample:
    """A prior on the other side, where there is no signal."""
    sample = resonance(n, rng, first_event)
    return replace(sample, features={"event": -sample.features["event"]})


RIGHT = resonance(4000, np.random.default_rng(11), 2 * 10**6)
WRONG = elsewhere(4000, np.random.default_rng(12), 3 * 10**6)
PRIORS = {"both": {"priors.right": RIGHT, "priors.wrong": WRONG}, "wrong": {"priors.wrong": WRONG}}


def search_of(section: Quak, pools: Pools) -> QuakSearch:
    """The search of a section, on a card with priors."""
    priors = {role.removeprefix("priors."): SOURCES["signal"] for role in pools.others}
    card = toy_card(searches={"toy": section}, samples={**SOURCES, "priors": priors})
    return build("toy", section, Context(card, pools))


@cache
def prepared(name: str) -> QuakSearch:
    pools = with_priors(name)
    samples = {"background": pools.background, **pools.others}
    inputs = Inputs({role: whole(sample, BINS) for role, sample in samples.items()})
    return search_of(SECTION, pools).prepare(inputs, np.random.default_rng(1))


def with_priors(name: str) -> Pools:
    return replace(BACKGROUND, others=PRIORS[name])


def space_of(search: QuakSearch) -> LossSpace:
    assert isinstance(search.training, QuakTraining)
    assert search.training.space is not None
    return search.training.space


def found_in(search: QuakSearch, view: EventView) -> QuakResult:
    rng = np.random.default_rng(1)
    return search.judge(search.fit(view, Inputs(), rng), view, Inputs(), rng)


def test_a_right_prior_is_nearly_supervised_and_what_is_unlike_any_needs_none() -> None:
    data = observed(BACKGROUND, 120)
    fit = prepared("both").fit(data.view, Inputs(), np.random.default_rng(1))
    assert isinstance(prepared("both").training, QuakTraining)
    by_name = dict(zip(("right", "wrong", UNLIKE_ANY), fit.values, strict=True))
    auc = {name: roc_auc_score(data.injected, values) for name, values in by_name.items()}
    assert auc["right"] > 0.98
    assert auc[UNLIKE_ANY] > 0.9
    # Far from where it was trained a density knows little: what decides is how unlike background an event is.
    assert auc["right"] > auc["wrong"] - 0.01


@pytest.mark.parametrize(("name", "least"), [("both", 6), ("wrong", 4)])
def test_a_signal_is_found_in_its_window(name: str, least: float) -> None:
    data = observed(BACKGROUND, 150)
    search = prepared(name)
    found = found_in(search, data.view)
    assert found.valid
    assert found.statistic > least
    window, best = found.scan.best
    assert window in {0, 1, 2}
    assert found.hypotheses[best] == "right" or name == "wrong"
    observation = search.observe(found, data.view, data.injected)
    assert observation.spectrum is not None
    assert observation.spectrum.local_z == found.statistic
    assert observation.summary["labels"] == [*found.hypotheses]
    assert len(found.members) == len(found.hypotheses)


def test_without_signal_there_is_no_excess() -> None:
    """Box of the olympics: an empty one. Independent backgrounds, with all orders and windows."""
    results = [
        found_in(prepared("both"), observed(pools_of(12_000, 10, seed=seed)).view) for seed in (2, 3, 4, 5)
    ]
    z = np.array([found.scan.local_z for found in results])
    assert abs(z.mean()) < 0.6
    assert 0.6 < z.std() < 1.5
    assert z.max() < 4
    assert all({"bias_0p02", "jsd_0p05", "best_window"} <= set(found.details) for found in results)


def test_no_density_has_seen_the_events_that_it_judges() -> None:
    """Events of one fold change places: the density that judges them stays, the other one changes."""
    view, space = observed(BACKGROUND).view, space_of(prepared("both"))
    training = QuakTraining(2, FLOW, FLOW, retrain=True, space=space)
    flows, known = training._of_background(Events(view, "event"), space.scaling, np.random.default_rng(3))
    places, moved = np.arange(len(view.m_jj)), np.flatnonzero(known.of(view.event) == 0)
    places[moved] = np.random.default_rng(4).permutation(moved)
    (part,) = view.parts
    sample = replace(part.sample, features={"event": part.sample.features["event"][places]})
    changed = Events(whole(sample, BINS), "event")
    again, same = training._of_background(changed, space.scaling, np.random.default_rng(3))
    assert np.array_equal(known.of(view.event), same.of(view.event))
    np.testing.assert_allclose(again.models.second[0], flows.models.second[0], atol=1e-5)
    assert np.abs(again.models.second[1] - flows.models.second[1]).max() > 1e-2
    # And each event is judged by that of its own fold.
    folds = known.of(view.event)
    retrained = training.scores(Events(view, "event"), prepared("both").windows, {}, np.random.default_rng(3))
    assert np.array_equal(retrained.folds, folds)
    new = replace(space, background=flows, folds=known)
    expected = new.orders(view.features("event"), view.m_jj, folds, BINS)
    np.testing.assert_allclose(retrained.values, np.stack([*expected.values()]), rtol=1e-5)


def test_masses_shuffled_give_nothing() -> None:
    data = observed(BACKGROUND, 150)
    m_jj = np.random.default_rng(7).permutation(data.view.m_jj)
    sample = Sample(
        m_jj, {"event": data.view.features("event")}, np.arange(m_jj.size), m_jj.size, "shuffled", 10**7
    )
    assert found_in(prepared("both"), whole(sample, BINS)).statistic < 4


def test_the_same_bits_wherever_it_is_sent() -> None:
    search, view = prepared("both"), drawn(BACKGROUND).view
    sent: Any = pickle.loads(pickle.dumps(search))  # noqa: S301
    assert np.array_equal(found_in(search, view).scan.local_z, found_in(sent, view).scan.local_z)


def test_categories_are_disjoint_and_weighed_by_what_a_prior_expects() -> None:
    values, rng = np.arange(1000.0), np.random.default_rng(1)
    expected = np.sort(np.array([995.0, 992.0, 970.0, 100.0]))
    shares = shares_within(expected, values, np.ones(1000, int), [0.01, 0.05])
    assert shares == pytest.approx([0.5, 0.25])
    windows, centres = sliding_windows(16, 2), BINS.centres
    curve = 4e4 * np.exp(-np.arange(16) / 6)
    kept = rng.poisson(np.stack([0.01 * curve, 0.04 * curve]))
    kept[0, 6:8] += 150
    scan = scan_cuts(curve, kept, windows, (0.01, 0.05), centres, sqrt_s=13_000.0)
    pure, mixed, nothing = (combined_z(scan, np.array(one)) for one in ([1, 0], [1, 1], [0, 1]))
    np.testing.assert_allclose(pure, scan.local_z[:, 0], atol=1e-2)
    np.testing.assert_allclose(nothing, scan.local_z[:, 1], atol=1e-2)
    assert pure[4] > mixed[4] > nothing[4]
    with pytest.raises(ArgumentError, match="2 categories need as many shares"):
        combined_z(scan, np.ones(3))


def test_its_trials_are_windows_and_orders() -> None:
    priors = dict.fromkeys(("right", "wrong"), SOURCES["signal"])
    card = toy_card(searches={"toy": SECTION}, samples={**SOURCES, "priors": priors})
    assert trials(SECTION, card).endswith(" GeV; 3 orders of the events")


def test_an_error_of_every_estimate_lowers_z() -> None:
    """One category: (S - B) / sqrt(B + var(B) + (r B)^2)."""
    curve = 4e4 * np.exp(-np.arange(16) / 6)
    kept = np.random.default_rng(2).poisson(0.01 * curve)[np.newaxis]
    scan = scan_cuts(curve, kept, sliding_windows(16, 2), (0.01,), BINS.centres, sqrt_s=13_000.0)
    plain, wide = combined_z(scan, np.ones(1)), combined_z(scan, np.ones(1), 0.2)
    excess = (scan.observed - scan.expected)[:, 0]
    variance = (scan.expected + scan.variance)[:, 0]
    np.testing.assert_allclose(plain, excess / np.sqrt(variance))
    np.testing.assert_allclose(wide, excess / np.sqrt(variance + (0.2 * scan.expected[:, 0]) ** 2))


def test_exact_tails_are_refused() -> None:
    with pytest.raises(ValueError, match="combined by their variances; expected asymptotic"):
        Quak(local_significance="exact")


def test_what_it_needs_is_asked_for() -> None:
    with pytest.raises(ValueError, match="needs the sample 'priors', which the card does not have"):
        toy_card(searches={"toy": SECTION})
    assert SECTION.roles == ("background", "priors")
    assert SECTION.is_trained_once
    assert not SECTION.needs_truth
    few = replace(BACKGROUND, others={"priors.rare": RIGHT.take(np.arange(4000) < 300, 300)})
    with pytest.raises(CardError, match=r"150 events of 'priors\.rare' .* expected 500 or more to train"):
        search_of(SECTION, few)


def test_a_training_that_goes_wrong_is_no_search() -> None:
    wild = SECTION.model_copy(update={"flow": FLOW.model_copy(update={"learning_rate": 1.0, "epochs": 2})})
    pools = with_priors("wrong")
    samples = {"background": pools.background, **pools.others}
    inputs = Inputs({role: whole(sample, BINS) for role, sample in samples.items()})
    with pytest.raises(ComputationError, match="density of the background diverged or collapsed"):
        search_of(wild, pools).prepare(inputs, np.random.default_rng(1))
