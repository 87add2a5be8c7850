"""LDA topics of counted words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from toy_pairs import found_in, pairs_of, search_of
from toy_views import SIGNAL_WINDOW, drawn, observed

from hepcs._core.errors import CardError
from hepcs.searches.base import Inputs
from hepcs.searches.lda import Lda, Topics, WordRatio

POOLS = pairs_of(12_000)
QUICK: dict[str, Any] = {"features": "words", "efficiencies": (0.03,), "training_events": 600, "folds": 2}
SEARCH = search_of(Lda(**QUICK), POOLS)


def texts(n: int, rng: np.random.Generator, share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Events whose words are of one topic or of the other, and of which."""
    rarer = rng.random(n) < share
    first, second = np.array([5, 3, 1, 0.2, 0.1]), np.array([0.1, 0.2, 1, 3, 5])
    return rng.poisson(np.where(rarer[:, np.newaxis], second, first)).astype(np.float32), rarer


def topics_of(x: np.ndarray, weights: np.ndarray | None = None, **keys: Any) -> WordRatio:
    labels, ones = np.zeros(len(x), bool), np.ones(len(x)) if weights is None else weights
    settings = {"training_events": 10_000, "passes": 3, "prior": 0.5, **keys}
    return Topics(**settings).fit(x, ones, labels, np.random.default_rng(1))


def test_topics_are_found_without_labels_and_the_rarer_scores_high() -> None:
    x, rarer = texts(1500, np.random.default_rng(2))
    found = topics_of(x)
    assert roc_auc_score(rarer, found.score(x)) > 0.99
    # The words of the topics themselves, up to their sums.
    truth = np.log([0.1, 0.2, 1, 3, 5]) - np.log([5, 3, 1, 0.2, 0.1])
    assert np.corrcoef(found.logs, truth)[0, 1] > 0.95


def test_a_multiplicity_is_copies_and_a_word_that_nobody_says_tells_nothing() -> None:
    x, _ = texts(500, np.random.default_rng(3))
    x[:, 2] = 0
    times = np.random.default_rng(4).integers(1, 4, 500)
    rows = np.repeat(np.arange(500), times)
    np.testing.assert_array_equal(topics_of(x, times.astype(float)).logs, topics_of(x[rows]).logs)
    assert not np.array_equal(topics_of(x, times.astype(float)).logs, topics_of(x).logs)
    assert abs(topics_of(x).logs[2]) < abs(topics_of(x).logs).max() / 2


def test_a_signal_is_found_in_its_window() -> None:
    data = observed(POOLS, 400)
    fit = SEARCH.fit(data.view, Inputs(), np.random.default_rng(1))
    assert roc_auc_score(data.injected, fit.values[0]) > 0.95
    found = SEARCH.judge(fit, data.view, Inputs(), np.random.default_rng(2))
    assert found.scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 5


def test_without_signal_local_significances_are_normal() -> None:
    search = search_of(Lda(**{**QUICK, "efficiencies": (0.1,)}), POOLS)
    z = []
    for seed in range(4):
        pools = pairs_of(4000, 10, seed=seed + 10)
        z += found_in(search, observed(pools).view).scan.local_z[::5, 0].tolist()
    assert abs(np.mean(z)) < 4 / np.sqrt(12)
    assert 0.5 < np.std(z) < 1.5


def test_the_same_generator_gives_the_same_bits() -> None:
    data = drawn(pairs_of(2000, 50), 20).view
    once, again, other = (
        SEARCH.fit(data, Inputs(), np.random.default_rng(seed)).values for seed in (3, 3, 4)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_features_that_are_no_counts_are_refused() -> None:
    with pytest.raises(CardError, match=r"searches.toy.features: 'jets' are not counts of words"):
        search_of(Lda(**{**QUICK, "features": "jets"}), POOLS)
    with pytest.raises(ValidationError, match="take quantile"):
        Lda(decorrelate="planing")
    assert Lda().packages == ("scikit-learn",)
    assert Lda().feature_names == ("lund_plane",)
