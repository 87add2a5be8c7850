"""k-means clustering of jets (paper, section 3.2), by scikit-learn's MiniBatchKMeans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin

from hepcs.errors import ArgumentError


@dataclass(frozen=True)
class ClusterModel:
    """Trained centroids, shape (k, d), float32."""

    centres: NDArray[np.float32]

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centres)


def train(features: NDArray[np.float32], k: int, batch_size: int, rng: np.random.Generator) -> ClusterModel:
    """Mini-batch k-means with k-means++ seeding.

    Parameters
    ----------
    features
        Training jets, shape (m, d); a resampled event is there as often as it was drawn.
    k
        Number of clusters, at most m. With fewer distinct jets, some centroids are alike, and one of them takes
        all.
    batch_size
        Jets in a mini-batch.
    rng
        Source of the seeding and of the mini-batches.

    Raises
    ------
    ArgumentError
        If k is larger than the number of training jets.
    """
    if k > len(features):
        raise ArgumentError(f"k = {k} clusters from {len(features)} training jets: k must not be larger")
    model = MiniBatchKMeans(
        n_clusters=k,
        batch_size=batch_size,
        init="k-means++",
        n_init=1,
        compute_labels=False,
        random_state=np.random.RandomState(rng.bit_generator),
    )
    model.fit(features)
    return ClusterModel(np.asarray(model.cluster_centers_, dtype=np.float32))


def assign(features: NDArray[np.float32], model: ClusterModel) -> NDArray[np.int64]:
    """Cluster of each jet, the nearest centroid: (n, d) to (n,)."""
    return np.asarray(pairwise_distances_argmin(features, model.centres), dtype=np.int64)
