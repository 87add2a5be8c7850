"""Regularised likelihood on toys, whose background lies near a plane."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from toy_views import BINS, drawn, inputs_of, observed, pools_of, search_of

pytest.importorskip("jax")

from hepcs._core.errors import CardError, ComputationError
from hepcs.datasets.bootstrap import EventView, whole
from hepcs.datasets.samples import Sample
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch
from hepcs.searches.cut_and_fit.training import Scores
from hepcs.searches.densities.section import FlowSection
from hepcs.searches.regularised_likelihood import ManifoldTraining, RegularisedLikelihood, mass_density

# Compiling the training loop takes longer than all else.
pytestmark = pytest.mark.slow

POOLS = pools_of(12_000)
FLOW = FlowSection(hidden=16, components=4, epochs=15, batch=256, learning_rate=5e-3)
SECTION = RegularisedLikelihood(flow=FLOW, layers=4, efficiencies=(0.05,), folds=2, window=4)


@cache
def prepared() -> ScoreSearch:
    return search_of(SECTION, POOLS).prepare(inputs_of(POOLS), np.random.default_rng(1))


def scores_of(view: EventView, seed: int = 1) -> Scores:
    return prepared().fit(view, Inputs(), np.random.default_rng(seed))


def found_in(view: EventView, search: ScoreSearch | None = None) -> CutResult:
    used, rng = search or prepared(), np.random.default_rng(1)
    return used.judge(used.fit(view, Inputs(), rng), view, Inputs(), rng)


def test_the_manifold_is_the_plane() -> None:
    """Three features, of which the last is nearly the sum of the others: a tenth of a standard deviation off."""
    training = prepared().training
    assert isinstance(training, ManifoldTraining)
    assert training.models is not None
    view = observed(pools_of(6000, 10, seed=3)).view
    z = training.models.scaling.inward(view.features("event"))
    distance, log_density = training.models.flows.judge(z, view.event % 2)
    assert np.median(distance) < 0.1 < np.median(np.square(z).sum(axis=1)) / 10
    # On the manifold, a normal distribution in two dimensions has -ln p = 2.8 in the mean.
    assert np.mean(log_density) > -3.1


def test_a_signal_off_the_manifold_is_found_in_its_window() -> None:
    data = observed(POOLS, 300)
    for fold in (0, 1):
        scores = scores_of(data.view)
        here = scores.folds == fold
        assert roc_auc_score(data.injected[here], scores.values[0][here]) > 0.9
    found = found_in(data.view)
    assert found.valid
    assert found.scan.best[0] in {0, 1, 2}
    assert found.statistic > 5


def test_without_signal_and_with_masses_shuffled_there_is_nothing() -> None:
    z = [found_in(observed(pools_of(12_000, 10, seed=seed)).view).scan.local_z for seed in (2, 3, 4, 5)]
    assert abs(np.mean(z)) < 0.9
    assert np.max(z) < 4
    data = observed(POOLS, 300)
    m_jj = np.random.default_rng(7).permutation(data.view.m_jj)
    sample = Sample(m_jj, {"event": data.view.features("event")}, np.arange(m_jj.size), m_jj.size, "", 10**7)
    assert found_in(whole(sample, BINS)).statistic < 4


def test_the_same_bits_wherever_it_is_sent_and_each_event_by_its_fold() -> None:
    view = drawn(POOLS).view
    sent = pickle.loads(pickle.dumps(prepared()))  # noqa: S301
    once = scores_of(view)
    assert np.array_equal(once.values, sent.fit(view, Inputs(), np.random.default_rng(2)).values)
    training = prepared().training
    assert isinstance(training, ManifoldTraining)
    assert training.models is not None
    assert np.array_equal(once.folds, training.models.folds.of(view.event))
    assert len(np.unique(once.folds)) == 2


def test_the_density_of_m_jj_is_one_of_counts() -> None:
    """Against scipy's, in the middle; the ends are reflected, so that it integrates to one."""
    rng = np.random.default_rng(3)
    m_jj = 3000 + 1600 * np.sqrt(rng.random(4000))
    times = rng.integers(1, 3, 4000)
    found = mass_density(m_jj, times, (3000.0, 4600.0))
    copies = np.repeat(m_jj, times)
    inside = (m_jj > 3400) & (m_jj < 4200)
    expected = stats.gaussian_kde(copies)(m_jj[inside]) * copies.std()
    np.testing.assert_allclose(found[inside], expected, rtol=0.03)
    order = np.argsort(m_jj)
    assert np.trapezoid(found[order], m_jj[order]) / copies.std() == pytest.approx(1, abs=0.02)


def test_what_it_is_trained_on_is_said_and_bad_training_refused() -> None:
    assert (SECTION.roles, SECTION.is_trained_once) == (("background",), True)
    again = SECTION.model_copy(update={"retrain": True})
    assert (again.roles, again.is_trained_once) == ((), False)
    wild = SECTION.model_copy(update={"flow": FLOW.model_copy(update={"learning_rate": 1.0, "epochs": 2})})
    with pytest.raises(ComputationError, match="manifolds and their densities diverged or collapsed"):
        search_of(wild, POOLS).prepare(inputs_of(POOLS), np.random.default_rng(1))
    each_time = search_of(wild.model_copy(update={"retrain": True}), POOLS)
    assert found_in(observed(POOLS).view, each_time).failed_trainings > 0


def test_a_manifold_has_fewer_dimensions_than_the_features() -> None:
    with pytest.raises(CardError, match=r"dimensions: found 3, and 'event' has 3 features of each event"):
        search_of(SECTION.model_copy(update={"dimensions": 3}), POOLS)
