"""Constituents of jets, one after the other: two prongs where all other jets have one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toy_networks as toy
import toy_particles
from scipy import stats
from sklearn.metrics import roc_auc_score
from toy_networks import COMMON, POOLS, UNSEEN
from toy_views import SIGNAL_WINDOW, observed, search_of

from hepcs._core.errors import CardError
from hepcs.searches.base import Inputs
from hepcs.searches.particle_graph import ParticleGraphSection

JETS = toy_particles.pools_of(3000)
# Compiling its training takes most of the time.
pytestmark = pytest.mark.slow

SECTION = ParticleGraphSection(
    **{**COMMON, "efficiencies": (0.1,)}, most=toy_particles.M, neighbours=3, width=8
)


@pytest.fixture(scope="module")
def search() -> Any:
    return toy.prepared(SECTION, JETS)


def test_a_signal_is_found_in_its_window(search: Any) -> None:
    data = observed(JETS, 120)
    fit = search.fit(data.view, Inputs(), np.random.default_rng(1))
    assert roc_auc_score(data.injected, fit.values[0]) > 0.85
    found = toy.found_in(search, data.view)
    assert found.valid
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 4
    assert toy.found_in(search, observed(JETS).view).statistic < 4


def test_without_signal_local_significances_are_normal(search: Any) -> None:
    z: list[float] = []
    for seed in range(10):
        pools = toy_particles.pools_of(3000, seed + 10, UNSEEN)
        z += toy.found_in(search, observed(pools).view).scan.local_z[::5, 0].tolist()
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_no_event_is_judged_by_a_network_that_saw_it() -> None:
    toy.never_judges_what_it_saw(SECTION, JETS)


def test_the_same_generator_gives_the_same_bits(search: Any) -> None:
    toy.has_the_same_bits_again(SECTION, search, JETS)


def test_the_momentum_of_jets_is_of_no_matter(search: Any) -> None:
    """So that the score knows nothing of m_jj by it."""
    plain = toy_particles.pools_of(300, 7, UNSEEN)
    x = plain.background.features["constituents"].reshape(300, 2, -1, 3) * [1.7, 1.0, 1.0]
    scaled = toy_particles.with_features(plain, x.reshape(300, 2, -1).astype(np.float32))
    one, other = (
        search.fit(observed(pools).view, Inputs(), np.random.default_rng(1)).values
        for pools in (plain, scaled)
    )
    np.testing.assert_allclose(one, other, rtol=1e-3)
    assert SECTION.normalises_momenta


def test_features_that_are_no_constituents_are_refused() -> None:
    with pytest.raises(CardError, match=r"features: 'event' are no constituents of jets"):
        search_of(SECTION.model_copy(update={"features": "event"}), POOLS)


def test_a_training_that_learns_nothing_is_a_collapse() -> None:
    still = SECTION.network.model_copy(update={"learning_rate": 1e-9, "epochs": 1})
    section = SECTION.model_copy(update={"retrain": True, "network": still})
    found = toy.found_in(search_of(section, JETS), observed(JETS).view)
    assert found.failed_trainings == SECTION.folds
    assert not found.valid
