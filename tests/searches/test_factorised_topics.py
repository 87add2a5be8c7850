"""Factorised topics of the two jet masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_pairs import found_in, pairs_of, search_of
from toy_views import SIGNAL_WINDOW, drawn, observed

from hepcs._core.errors import CardError
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.factorised_topics import FactorisedTopics, MassTopics, factorise

POOLS = pairs_of(15_000)
QUICK: dict[str, Any] = {
    "features": "jets",
    "efficiencies": (0.03,),
    "folds": 2,
    "mass_bins": 16,
    "starts": 4,
}
SEARCH = search_of(FactorisedTopics(**QUICK), POOLS)


def mixture(n: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Expected counts of two kinds of background jets and a signal, and the signal's share of each bin."""
    at = np.arange(16)[:, np.newaxis]
    shapes = np.exp(-((at - [3.0, 5.0, 13.0, 10.0]) ** 2) / [6.0, 6.0, 1.0, 1.0])
    quark, gluon, x, y = (shapes / shapes.sum(axis=0)).T
    background = 0.3 * np.outer(quark, quark) + 0.3 * np.outer(gluon, gluon)
    background += 0.2 * (np.outer(quark, gluon) + np.outer(gluon, quark))
    signal = 0.5 * (np.outer(x, y) + np.outer(y, x))
    whole = (1 - share) * background + share * signal
    return n * whole, share * signal / whole


def test_a_mixture_is_taken_apart() -> None:
    counts, truth = mixture(1e5, 0.02)
    found = factorise(counts, 2, 6, np.random.default_rng(1))
    assert found.signal_share == pytest.approx(0.02, rel=0.3)
    assert sorted(found.median(kind) for kind in (-2, -1)) == [10, 13]
    assert found.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.shapes.sum(axis=1), 1)
    # Kinds of jets of the signal come in pairs of one of each alone.
    assert (found.shares[:2, 2:] == 0).all()
    assert (np.diag(found.shares)[2:] == 0).all()
    # What the ratio orders by is the truth.
    likely = counts > 1
    assert (
        np.corrcoef(found.log_ratio[likely].argsort().argsort(), truth[likely].argsort().argsort())[0, 1]
        > 0.7
    )


def test_more_beginnings_are_no_less_likely_and_the_fit_is_the_data_where_it_can_be() -> None:
    counts, _ = mixture(1e5, 0.02)
    one, six = (factorise(counts, 2, starts, np.random.default_rng(3)) for starts in (1, 6))
    assert six.log_likelihood >= one.log_likelihood
    model = counts.sum() * six.shapes.T @ six.shares @ six.shapes
    np.testing.assert_allclose(model[counts > 100], counts[counts > 100], rtol=0.05)


def test_a_signal_is_found_in_its_window() -> None:
    data = observed(POOLS, 500)
    fit = SEARCH.fit(data.view, Inputs(), np.random.default_rng(1))
    assert roc_auc_score(data.injected, fit.values[0]) > 0.9
    found = SEARCH.judge(fit, data.view, Inputs(), np.random.default_rng(2))
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6
    assert fit.numbers["topic_share"] > 0.01
    assert fit.numbers["topic_heavier"] > fit.numbers["topic_lighter"] > 0
    assert set(fit.numbers) == set(FactorisedTopics.number_titles)
    assert found.details["topic_share"] == fit.numbers["topic_share"]


def test_without_signal_local_significances_are_normal() -> None:
    search = search_of(FactorisedTopics(**{**QUICK, "efficiencies": (0.1,)}), POOLS)
    z = []
    for seed in range(4):
        pools = pairs_of(4000, 10, seed=seed + 10)
        z += found_in(search, observed(pools).view).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(12)
    assert 0.5 < np.std(z) < 1.5


def test_no_event_is_scored_by_topics_that_it_was_part_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit knows the events of the other folds alone."""
    seen: list[np.ndarray] = []

    def noted(counts: np.ndarray, *rest: Any) -> Any:
        seen.append(counts)
        return factorise(counts, *rest)

    monkeypatch.setattr("hepcs.searches.factorised_topics.factorise", noted)
    data = drawn(POOLS).view
    fit = MassTopics(3, 8, 1, 1, over_m_jj=True).scores(
        Events(data, "jets", {"jets": (0,)}), SEARCH.windows, {}, np.random.default_rng(1)
    )
    for fold, counts in enumerate(seen):
        assert counts.sum() == data.multiplicity[fit.folds != fold].sum()


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(POOLS, 100).view
    once, again, other = (
        SEARCH.fit(data, Inputs(), np.random.default_rng(seed)).values for seed in (3, 3, 4)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        ("words", "'words' lacks mass, which the score is of; its columns are word_0, word_1"),
        ("shapes", "'shapes' lacks mass"),
    ],
)
def test_features_without_masses_of_jets_are_refused(feature: str, reason: str) -> None:
    with pytest.raises(CardError, match=f"searches.toy.features: {reason}"):
        search_of(FactorisedTopics(**{**QUICK, "features": feature}), POOLS)
