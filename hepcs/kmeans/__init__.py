"""k-means clustering of jets (paper, section 3.2): mini-batch k-means with k-means++ seeding.

Two engines for one algorithm: ``compiled``, our own, and ``sklearn``, the reference it is measured against. Their
clusterings follow the same distribution; with the same random numbers they are not the same clustering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.errors import ArgumentError
from hepcs.kmeans import compiled

Engine = Literal["compiled", "sklearn"]


@dataclass(frozen=True)
class ClusterModel:
    """Trained centroids, shape (k, d), float32."""

    centres: NDArray[np.float32]

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centres)


def train(
    features: NDArray[np.float32],
    k: int,
    batch_size: int,
    rng: np.random.Generator,
    engine: Engine = "compiled",
) -> ClusterModel:
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
    engine
        ``compiled``, or ``sklearn`` for scikit-learn's MiniBatchKMeans.

    Raises
    ------
    ArgumentError
        If k is larger than the number of training jets, or a feature is not finite.
    """
    if k > len(features):
        raise ArgumentError(f"k = {k} clusters from {len(features)} training jets: k must not be larger")
    if engine == "sklearn":
        # Imported here: it takes a second that the other engine does not need.
        from hepcs.kmeans import reference

        return ClusterModel(reference.train_centres(features, k, batch_size, rng))
    return ClusterModel(compiled.train_centres(features, k, batch_size, rng))


def assign(
    features: NDArray[np.float32], model: ClusterModel, engine: Engine = "compiled"
) -> NDArray[np.int64]:
    """Cluster of each jet, the nearest centroid, and the lowest of equals: (n, d) to (n,).

    Raises
    ------
    ArgumentError
        If the jets have another number of features than the centroids, or one is not finite.
    """
    if features.ndim != 2 or features.shape[1] != model.centres.shape[1]:
        raise ArgumentError(
            f"features must have shape (n, {model.centres.shape[1]}) as the centroids have, found {features.shape}"
        )
    if engine == "sklearn":
        from hepcs.kmeans import reference

        return reference.nearest_centre(features, model.centres)
    return compiled.nearest_centre(features, model.centres)
