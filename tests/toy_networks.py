"""What all searches by networks have to show, on the events of toy_views."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score
from toy_views import BINS, SIGNAL_WINDOW, background, inputs_of, observed, pools_of, resonance, search_of

from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.samples import Pools, Sample
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.network_section import NetworkCutAndFit, NetworkSection
from hepcs.searches.cut_and_fit.networks import Judges, TrainedNetworks
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch

POOLS = pools_of(8000)
QUICK = NetworkSection(epochs=8, batch=128, learning_rate=5e-3)
#: Of sections: few folds, and a cut that leaves some events.
COMMON: dict[str, Any] = {"efficiencies": (0.05,), "folds": 3, "network": QUICK}
# Events of other samples have other numbers.
UNSEEN = 1_000_000


def prepared(section: NetworkCutAndFit, pools: Pools = POOLS, seed: int = 1) -> ScoreSearch:
    """The search, trained."""
    return search_of(section, pools).prepare(inputs_of(pools), np.random.default_rng(seed))


def found_in(search: ScoreSearch, data: EventView, seed: int = 1) -> CutResult:
    """What it finds in a data set."""
    rng = np.random.default_rng(seed)
    return search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)


def judges_of(search: ScoreSearch) -> Judges:
    """What was trained."""
    assert isinstance(search.training, TrainedNetworks)
    assert search.training.judges is not None
    return search.training.judges


def unseen_pools(n: int, seed: int) -> Pools:
    """Events that no training knows."""
    rng = np.random.default_rng(seed)
    return Pools(background(n, rng, UNSEEN), BINS, {"signal": resonance(300, rng, UNSEEN + n)})


def finds_a_signal(search: ScoreSearch, *, least: float = 5.0, auc: float = 0.9) -> None:
    """In events that it was trained on and in others; and nothing where there is none."""
    for pools in (POOLS, unseen_pools(8000, 3)):
        data = observed(pools, 250)
        fit = search.fit(data.view, Inputs(), np.random.default_rng(1))
        assert fit.values.shape == (1, len(data.view.m_jj))
        assert roc_auc_score(data.injected, fit.values[0]) > auc
        found = found_in(search, data.view)
        assert found.valid
        assert found.scan.best[0] == SIGNAL_WINDOW
        assert found.statistic > least
        assert found_in(search, observed(pools).view).statistic < 4


def is_calm_without_signal(search: ScoreSearch) -> None:
    """Local significances in samples of their own are normal, in windows that do not touch."""
    z: list[float] = []
    for seed in range(20):
        found = found_in(search, observed(unseen_pools(5000, seed + 10)).view)
        z += found.scan.local_z[::5, 0].tolist()
    assert len(z) == 60
    assert stats.kstest(z, "norm").pvalue > 1e-3


def sees_nothing_in_signal_like_background(search: ScoreSearch) -> None:
    """Events whose features are those of all others cannot be told from them."""
    rng = np.random.default_rng(5)
    plain = background(300, rng, UNSEEN)
    data = observed(Pools(POOLS.background, BINS, {"signal": plain}), 300)
    fit = search.fit(data.view, Inputs(), np.random.default_rng(1))
    assert abs(roc_auc_score(data.injected, fit.values[0]) - 0.5) < 0.07


def never_judges_what_it_saw(section: NetworkCutAndFit, pools: Pools = POOLS) -> None:
    """Other events in a fold change no network of this fold, and so no other score in it."""
    one, old = judges_of(prepared(section, pools)), pools.background
    rows = np.flatnonzero(one.folds == 0)[:20]
    x = old.features[section.features].copy()
    x[rows] = x[rows + 1] * 0.5 + 0.3
    features = {**old.features, section.features: x}
    new = Sample(old.m_jj, features, old.rows, old.n_events, "toys", 0)
    other = judges_of(prepared(section, Pools(new, BINS, pools.signals)))
    assert np.array_equal(one.folds, other.folds)
    alike = one.values == other.values
    same_fold = one.folds == 0
    same_fold[rows] = False
    assert alike[same_fold].all()
    assert alike[one.folds != 0].mean() < 0.1


def has_the_same_bits_again(section: NetworkCutAndFit, search: ScoreSearch, pools: Pools = POOLS) -> None:
    """Of a training with the same generator, and not with another."""
    again, other = prepared(section, pools), prepared(section, pools, seed=2)
    assert np.array_equal(judges_of(search).values, judges_of(again).values)
    assert not np.array_equal(judges_of(search).values, judges_of(other).values)
