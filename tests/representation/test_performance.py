"""AUC, background efficiencies and significance improvement."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hepcs._core.errors import ArgumentError
from hepcs.representation.performance import EFFICIENCIES, performance_of

RNG = np.random.default_rng(1)


def test_values_by_hand() -> None:
    # 3 of 10 signal events are above 8: 9, 10, 11; of the background 9 alone.
    background, signal = np.arange(10.0), np.array([2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 9.0, 10.0, 11.0])
    found = performance_of(background, signal)
    assert found.inverse_background == pytest.approx(10)
    assert not found.bounded
    # 2.5 is above three of ten; 9 above nine and beside one; the others above all.
    assert found.auc == pytest.approx((7 * 3 + 9.5 + 10 + 10) / 100)
    assert found.background[-1] == pytest.approx(0.7)
    assert found.improvement[-1] == pytest.approx(1 / np.sqrt(0.7))


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    background, signal = RNG.integers(0, 20, 500).astype(float), RNG.integers(5, 25, 300).astype(float)
    labels = np.repeat([0, 1], [500, 300])
    expected = roc_auc_score(labels, np.concatenate([background, signal]))
    assert performance_of(background, signal).auc == pytest.approx(expected)


def test_a_score_that_knows_nothing_improves_nothing() -> None:
    found = performance_of(RNG.normal(size=50_000), RNG.normal(size=50_000))
    assert found.auc == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(found.improvement[20:], np.sqrt(EFFICIENCIES[20:]), rtol=0.03)


def test_no_background_left_is_a_bound() -> None:
    found = performance_of(np.zeros(40), np.ones(10))
    assert found.bounded
    assert found.inverse_background == 40
    assert np.isnan(found.improvement).all()
    with pytest.raises(ArgumentError, match="finite scores"):
        performance_of(np.zeros(40), np.array([np.nan]))
