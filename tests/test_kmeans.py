"""k-means: training and assignment."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs.errors import ArgumentError
from hepcs.kmeans import assign, train


def clumps(rng: np.random.Generator, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    centres = rng.normal(size=(8, 5)) * 20
    which = rng.integers(0, 8, size=n)
    return (centres[which] + rng.normal(size=(n, 5))).astype(np.float32), which


def test_separated_clumps_are_not_mixed() -> None:
    """With more clusters than clumps, every cluster lies in one clump (k-means++ seeds each)."""
    features, which = clumps(np.random.default_rng(1))
    labels = assign(features, train(features, 16, 512, np.random.default_rng(2)))
    for cluster in np.unique(labels):
        assert len(np.unique(which[labels == cluster])) == 1


def test_assignment_is_the_nearest_centroid() -> None:
    features, _ = clumps(np.random.default_rng(3))
    model = train(features, 10, 512, np.random.default_rng(4))
    distances = np.linalg.norm(features[:, None].astype(np.float64) - model.centres[None], axis=-1)
    np.testing.assert_array_equal(assign(features, model), distances.argmin(axis=1))
    assert model.k == 10


def test_the_generator_decides() -> None:
    features, _ = clumps(np.random.default_rng(5))
    one = train(features, 10, 512, np.random.default_rng(6)).centres
    np.testing.assert_array_equal(one, train(features, 10, 512, np.random.default_rng(6)).centres)
    assert not np.array_equal(one, train(features, 10, 512, np.random.default_rng(7)).centres)


def test_too_few_jets() -> None:
    with pytest.raises(ArgumentError, match="k = 5 clusters from 4 training jets"):
        train(np.zeros((4, 2), dtype=np.float32), 5, 10, np.random.default_rng(1))


def test_fewer_distinct_jets_than_clusters_leave_clusters_empty() -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    labels = assign(features, train(features, 5, 30, np.random.default_rng(1)))
    assert len(np.unique(labels)) == 3
