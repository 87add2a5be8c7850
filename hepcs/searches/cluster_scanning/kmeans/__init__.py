"""k-means clustering of jets (paper, section 3.2): mini-batch k-means with k-means++ seeding.

Two engines for one algorithm: ``compiled``, our own, and ``sklearn``, the reference it is measured against. Their
clusterings follow the same distribution; with the same random numbers they are not the same clustering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.kmeans import compiled
from hepcs.searches.cluster_scanning.kmeans.nearest import RoundedJets, rounded_jets

Engine = Literal["compiled", "sklearn"]

# Bounds the memory of the engine that keeps labels: 200 MB of full-pixel images.
_EVENTS_AT_A_TIME = 16384


class HasClusters(Protocol):
    """A model with k clusters."""

    @property
    def k(self) -> int:
        """Number of clusters."""
        ...


AnyModel = TypeVar("AnyModel", bound=HasClusters)


@dataclass(frozen=True)
class ClusterModel:
    """Trained centroids, shape (k, d), float32."""

    centres: NDArray[np.float32]

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    def labels(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Cluster of each jet, by :func:`assign`: (n, d) to (n,)."""
        return assign(features, self)


@dataclass(frozen=True)
class TrainingJets:
    """Jets that several clusterings are trained on, shape (m, d): what these share is computed once."""

    features: NDArray[np.float32]

    @staticmethod
    def of(jets: NDArray[np.float32] | TrainingJets) -> TrainingJets:
        """Jets that are shared already, or not yet."""
        return jets if isinstance(jets, TrainingJets) else TrainingJets(jets)

    @cached_property
    def rounded(self) -> RoundedJets:
        """As the compiled engine wants them."""
        return rounded_jets(np.ascontiguousarray(self.features, dtype=np.float32))


def train(
    jets: NDArray[np.float32] | TrainingJets,
    k: int,
    batch_size: int,
    rng: np.random.Generator,
    engine: Engine = "compiled",
) -> ClusterModel:
    """Mini-batch k-means with k-means++ seeding.

    Parameters
    ----------
    jets
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
    jets = _at_least(k, jets)
    if engine == "sklearn":
        # Imported here: it takes a second that the other engine does not need.
        from hepcs.searches.cluster_scanning.kmeans import reference

        return ClusterModel(reference.train_centres(jets.features, k, batch_size, rng))
    return ClusterModel(compiled.train_centres(jets.rounded, k, batch_size, rng))


def train_lloyd(
    jets: NDArray[np.float32] | TrainingJets, k: int, rng: np.random.Generator, engine: Engine = "compiled"
) -> ClusterModel:
    """Lloyd's k-means with k-means++ seeding: every step sees all jets. Arguments as for :func:`train`.

    Raises
    ------
    ArgumentError
        If k is larger than the number of training jets, or a feature is not finite.
    """
    jets = _at_least(k, jets)
    if engine == "sklearn":
        from hepcs.searches.cluster_scanning.kmeans import reference

        return ClusterModel(reference.train_lloyd_centres(jets.features, k, rng))
    return ClusterModel(compiled.train_lloyd_centres(jets.rounded, k, rng))


def _at_least(k: int, jets: NDArray[np.float32] | TrainingJets) -> TrainingJets:
    jets = TrainingJets.of(jets)
    n = len(jets.features)
    if k > n:
        raise ArgumentError(f"k = {k} clusters from {n} training jets: k must not be larger")
    return jets


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
        from hepcs.searches.cluster_scanning.kmeans import reference

        return reference.nearest_centre(features, model.centres)
    return compiled.nearest_centre(features, model.centres)


def count_jets(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    models: Sequence[ClusterModel],
    n_cells: int,
    engine: Engine = "compiled",
) -> NDArray[np.int64]:
    """Count the jets of events by cluster and by the cell of their event, for several clusterings at once.

    The compiled engine goes through the jets once for all clusterings, and keeps no labels.

    Parameters
    ----------
    features
        Jets of each event, shape (N, j, d), float32, j = 2 for both; may be memory-mapped.
    rows, cells, multiplicity
        Which of the N events there are; the cell, such as the m_jj bin, and the multiplicity of each, shape (n,).
    models
        Clusterings of one k.
    n_cells
        Number of cells.

    Returns
    -------
    Shape (m, k, n_cells): an event counts with both its jets, each as often as the event is there.

    Raises
    ------
    ArgumentError
        If the jets have another number of features than the centroids, or one is not finite.
    """
    if features.ndim != 3 or features.shape[2] != models[0].centres.shape[1]:
        raise ArgumentError(
            f"features must have shape (N, j, {models[0].centres.shape[1]}) as the centroids have, "
            f"found {features.shape}"
        )
    if engine == "compiled":
        return compiled.count_jets(
            features, rows, cells, multiplicity, [model.centres for model in models], n_cells
        )

    def labels(model: ClusterModel, jets: NDArray[np.float32]) -> NDArray[np.int64]:
        return assign(jets, model, engine)

    return count_labels(features, rows, cells, multiplicity, models, n_cells, labels)


def count_labels(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    models: Sequence[AnyModel],
    n_cells: int,
    labels: Callable[[AnyModel, NDArray[np.float32]], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """:func:`count_jets` by the labels of models of any kind, each with k clusters."""
    k = models[0].k
    counts = np.zeros((len(models), k, n_cells), dtype=np.int64)
    for start in range(0, len(rows), _EVENTS_AT_A_TIME):
        part = slice(start, start + _EVENTS_AT_A_TIME)
        jets = features[rows[part]].reshape(-1, features.shape[2])
        n_jets = features.shape[1]
        weights, cell = np.repeat(multiplicity[part], n_jets), np.repeat(cells[part], n_jets)
        for member, model in enumerate(models):
            found = np.bincount(labels(model, jets) * n_cells + cell, weights=weights, minlength=k * n_cells)
            counts[member] += found.reshape(k, n_cells).astype(np.int64)
    return counts
