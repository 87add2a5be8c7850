"""k-means by scikit-learn: the reference for the compiled engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin

from hepcs._core.errors import ArgumentError


def train_centres(
    features: NDArray[np.float32], k: int, batch_size: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Trained centroids, shape (k, d), of training jets of shape (m, d)."""
    _require_finite(features)
    model = MiniBatchKMeans(
        n_clusters=k,
        batch_size=batch_size,
        init="k-means++",
        n_init=1,
        compute_labels=False,
        random_state=np.random.RandomState(rng.bit_generator),
    )
    model.fit(features)
    return np.asarray(model.cluster_centers_, dtype=np.float32)


def train_lloyd_centres(
    features: NDArray[np.float32], k: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Centroids of Lloyd's algorithm, shape (k, d), of training jets of shape (m, d)."""
    _require_finite(features)
    model = KMeans(
        n_clusters=k,
        init="k-means++",
        n_init=1,
        algorithm="lloyd",
        random_state=np.random.RandomState(rng.bit_generator),
    )
    return np.asarray(model.fit(features).cluster_centers_, dtype=np.float32)


def nearest_centre(features: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index of the nearest of the centroids, shape (k, d), for each jet: (n, d) to (n,)."""
    _require_finite(features)
    return np.asarray(pairwise_distances_argmin(features, centres), dtype=np.int64)


def _require_finite(features: NDArray[np.float32]) -> None:
    bad = len(features) - np.count_nonzero(np.isfinite(features).all(axis=1))
    if bad:
        raise ArgumentError(f"the features of {bad} of {len(features)} jets are NaN or infinite")
