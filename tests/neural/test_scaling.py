"""Features that densities like, and back."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.neural.scaling import logit_scaling

RNG = np.random.default_rng(1)
X = np.column_stack([RNG.beta(2, 5, 4000), RNG.exponential(80.0, 4000), RNG.poisson(30, 4000)]).astype(
    np.float32
)
SCALING = logit_scaling(X)


def test_there_and_back_is_the_same() -> None:
    z = SCALING.inward(X, np.random.default_rng(2))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=0.01)
    back = SCALING.outward(z)
    np.testing.assert_allclose(back[:, :2], X[:, :2], rtol=1e-3, atol=1e-3)
    assert np.array_equal(back[:, 2], X[:, 2]), "whole numbers come back whole"


def test_whole_numbers_are_spread_in_a_training_and_in_the_middle_else() -> None:
    assert SCALING.whole.tolist() == [False, False, True]
    once, again = (SCALING.inward(X)[:, 2] for _ in range(2))
    assert np.array_equal(once, again)
    assert np.unique(once).size == np.unique(X[:, 2]).size
    assert np.unique(SCALING.inward(X, np.random.default_rng(3))[:, 2]).size > 3000


def test_what_is_missing_is_the_median_and_what_is_far_out_on_the_edge() -> None:
    broken = X.copy()
    broken[:5, 0], broken[5:9, 1] = np.nan, np.inf
    scaling = logit_scaling(broken)
    assert np.allclose(scaling.filled(broken)[:5, 0], np.nanmedian(broken[:, 0]))
    assert np.isfinite(scaling.inward(broken)).all()
    far = scaling.inward(np.array([[-5.0, 1e9, 30], [7.0, -1e9, 30]]))
    assert np.isfinite(far).all()
    edges = scaling.outward(far)
    assert X[:, 0].min() - 1e-2 < edges[0, 0] < edges[1, 0] < X[:, 0].max() + 1e-2


def test_features_without_a_density_are_refused() -> None:
    with pytest.raises(ComputationError, match=r"column 1 of the features has one value"):
        logit_scaling(np.column_stack([X[:, 0], np.ones(4000)]))
    with pytest.raises(ComputationError, match=r"column 0"):
        logit_scaling(np.full((9, 1), np.nan))
    with pytest.raises(ArgumentError, match=r"shape \(n, d\)"):
        logit_scaling(X[:, 0])
