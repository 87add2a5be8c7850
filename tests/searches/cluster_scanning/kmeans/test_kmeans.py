"""k-means: what both engines promise."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.kmeans import ClusterModel, Engine, assign, count_jets, train


@pytest.fixture(params=["compiled", "sklearn"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


def clumps(rng: np.random.Generator, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    centres = rng.normal(size=(8, 5)) * 20
    which = rng.integers(0, 8, size=n)
    return (centres[which] + rng.normal(size=(n, 5))).astype(np.float32), which


def test_separated_clumps_are_not_mixed(engine: Engine) -> None:
    """With more clusters than clumps, every cluster lies in one clump (k-means++ seeds each)."""
    features, which = clumps(np.random.default_rng(1))
    model = train(features, 16, 512, np.random.default_rng(2), engine)
    labels = assign(features, model, engine)
    for cluster in np.unique(labels):
        assert len(np.unique(which[labels == cluster])) == 1


def test_assignment_is_the_nearest_centroid(engine: Engine) -> None:
    features, _ = clumps(np.random.default_rng(3))
    model = train(features, 10, 512, np.random.default_rng(4), engine)
    distances = np.linalg.norm(features[:, None].astype(np.float64) - model.centres[None], axis=-1)
    labels = assign(features, model, engine)
    np.testing.assert_array_equal(labels, distances.argmin(axis=1))
    assert model.k == 10
    assert model.centres.dtype == np.float32
    assert labels.dtype == np.int64


def test_ties_go_to_the_lowest_index(engine: Engine) -> None:
    centres = np.array([[3, 0], [1, 0], [-1, 0], [1, 0]], dtype=np.float32)
    jets = np.array([[0, 7], [2, 0], [1, 0], [-5, 0]], dtype=np.float32)
    np.testing.assert_array_equal(assign(jets, ClusterModel(centres), engine), [1, 0, 1, 2])


def test_the_generator_decides(engine: Engine) -> None:
    features, _ = clumps(np.random.default_rng(5))
    one = train(features, 10, 512, np.random.default_rng(6), engine).centres
    np.testing.assert_array_equal(one, train(features, 10, 512, np.random.default_rng(6), engine).centres)
    assert not np.array_equal(one, train(features, 10, 512, np.random.default_rng(7), engine).centres)


def test_too_few_jets(engine: Engine) -> None:
    with pytest.raises(ArgumentError, match="k = 5 clusters from 4 training jets"):
        train(np.zeros((4, 2), dtype=np.float32), 5, 10, np.random.default_rng(1), engine)


def test_fewer_distinct_jets_than_clusters_leave_clusters_empty(engine: Engine) -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    labels = assign(features, train(features, 5, 30, np.random.default_rng(1), engine), engine)
    assert len(np.unique(labels)) == 3


def test_as_many_clusters_as_jets(engine: Engine) -> None:
    """Centroids that a small batch misses may be put onto another's jet, so not every cluster has its own."""
    features = np.arange(12, dtype=np.float32).reshape(4, 3) ** 2
    model = train(features, 4, 2048, np.random.default_rng(1), engine)
    assert model.centres.shape == (4, 3)
    assert np.isfinite(model.centres).all()
    assert len(np.unique(assign(features, model, engine))) >= 2


def test_features_must_fit_the_centroids(engine: Engine) -> None:
    model = ClusterModel(np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(ArgumentError, match=r"shape \(n, 2\).*found \(4, 3\)"):
        assign(np.zeros((4, 3), dtype=np.float32), model, engine)


def test_counting_refuses_what_has_no_distance(engine: Engine) -> None:
    model = ClusterModel(np.eye(3, dtype=np.float32))
    features = np.zeros((4, 2, 3), dtype=np.float32)
    events, once = np.arange(4), np.ones(4, dtype=np.int64)
    counts = count_jets(features, events, np.array([0, 0, 1, 1]), once, [model, model], 2, engine)
    np.testing.assert_array_equal(counts, [[[4, 4], [0, 0], [0, 0]]] * 2)
    with pytest.raises(ArgumentError, match=r"shape \(N, j, 3\)"):
        count_jets(features[..., :2], events, events, once, [model], 4, engine)
    leading = count_jets(features[:, :1], events, np.array([0, 0, 1, 1]), once, [model], 2, engine)
    np.testing.assert_array_equal(leading, [[[2, 2], [0, 0], [0, 0]]])
    for value in (np.nan, np.inf, -np.inf):
        features[2, 1] = [0, value, 0]
        with pytest.raises(ArgumentError, match=r"1 of 8 jets are NaN(, | or )infinite"):
            count_jets(features, events, events, once, [model, model], 4, engine)
