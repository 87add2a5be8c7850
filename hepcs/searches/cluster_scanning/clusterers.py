"""Ways of clustering jets: mini-batch k-means, and others to compare with (paper, section 5).

A model trained on the jets of the training region says to which of its k clusters a jet belongs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning import kmeans
from hepcs.searches.cluster_scanning.kmeans import ClusterModel, TrainingJets
from hepcs.searches.cluster_scanning.section import ClusterScanning

# Birch: radius within which jets merge, as a share of the radius of k-means clusters.
_BIRCH_RADIUS = 0.9
# Gaussian mixture: steps of the fit, and the least variance of a feature as a share of that of all jets.
_MIXTURE_STEPS = 50
_LEAST_VARIANCE = 1e-3


class Model(Protocol):
    """Trained clusters."""

    @property
    def centres(self) -> NDArray[np.float32]:
        """Centroids, shape (k, d)."""
        ...

    @property
    def k(self) -> int:
        """Number of clusters."""
        ...

    def labels(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Cluster of each jet: (n, d) to (n,)."""
        ...


@dataclass(frozen=True)
class MergedClusters:
    """Clusters that are several small ones each: a jet belongs where the nearest small one does.

    Attributes
    ----------
    parts
        The small clusters, m centroids.
    cluster
        The cluster of each, shape (m,).
    centres
        Mean of the parts of each cluster, shape (k, d).
    """

    parts: ClusterModel
    cluster: NDArray[np.int64]
    centres: NDArray[np.float32]

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    def labels(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Cluster of the nearest part of each jet: (n, d) to (n,)."""
        return self.cluster[self.parts.labels(features)]


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussian distributions without correlations: a jet belongs to the most probable one.

    Attributes
    ----------
    centres, variances
        Means and variances of the components, shape (k, d).
    weights
        Their shares of the jets, shape (k,).
    """

    centres: NDArray[np.float32]
    variances: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def k(self) -> int:
        """Number of components."""
        return len(self.centres)

    def labels(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Most probable component of each jet: (n, d) to (n,)."""
        # The logarithm of a component's density is linear in x and x^2.
        means, precisions = self.centres.astype(np.float64), 1 / self.variances
        constants = np.log(self.weights) + 0.5 * (np.log(precisions) - means**2 * precisions).sum(axis=1)
        exact = features.astype(np.float64)
        scores = exact @ (means * precisions).T - 0.5 * (exact**2 @ precisions.T) + constants
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def train(
    jets: NDArray[np.float32] | TrainingJets, section: ClusterScanning, rng: np.random.Generator
) -> Model:
    """Cluster training jets of shape (m, d) as the card says, on all of them or on `training_jets` drawn ones.

    Raises
    ------
    ArgumentError
        If there are more clusters than jets, Birch finds fewer clusters than k, or its centres are not finite.
    """
    jets = TrainingJets.of(jets)
    n = len(jets.features)
    if section.training_jets is not None and section.training_jets < n:
        jets = TrainingJets(jets.features[rng.choice(n, size=section.training_jets, replace=False)])
    match section.clusterer:
        case "mini_batch":
            return kmeans.train(jets, section.k, section.batch_size, rng, section.engine)
        case "lloyd":
            return kmeans.train_lloyd(jets, section.k, rng, section.engine)
        case "gaussian_mixture":
            return _train_mixture(jets.features, section, rng)
        case "birch":
            return _train_birch(jets.features, section, rng)


def count_jets(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    models: Sequence[Model],
    n_cells: int,
    engine: kmeans.Engine,
) -> NDArray[np.int64]:
    """Count jets by cluster and cell, as :func:`.kmeans.count_jets` does, for models of any kind."""
    centroids = [model for model in models if isinstance(model, ClusterModel)]
    if len(centroids) == len(models):
        return kmeans.count_jets(features, rows, cells, multiplicity, centroids, n_cells, engine)
    return kmeans.count_labels(
        features, rows, cells, multiplicity, models, n_cells, lambda model, jets: model.labels(jets)
    )


@contextmanager
def _unconverged() -> Iterator[None]:
    """A fit that ends before it has converged is as good a clustering as another."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _train_mixture(jets: NDArray[np.float32], section: ClusterScanning, rng: np.random.Generator) -> Mixture:
    """Expectation maximisation from k-means clusters, by scikit-learn."""
    from sklearn.mixture import GaussianMixture

    start = kmeans.train(jets, section.k, section.batch_size, rng, section.engine)
    exact = jets.astype(np.float64)
    least = _LEAST_VARIANCE * exact.var(axis=0).mean()
    labels = start.labels(jets)
    counts = np.bincount(labels, minlength=section.k)
    variance = np.tile(exact.var(axis=0), (section.k, 1))
    for cluster in np.flatnonzero(counts > 1):
        variance[cluster] = exact[labels == cluster].var(axis=0)
    model = GaussianMixture(
        section.k,
        covariance_type="diag",
        reg_covar=least,
        max_iter=_MIXTURE_STEPS,
        means_init=start.centres.astype(np.float64),
        weights_init=(counts + 1) / (counts.sum() + section.k),
        precisions_init=1 / (variance + least),
        random_state=np.random.RandomState(rng.bit_generator),
    )
    with _unconverged():
        model.fit(exact)
    return Mixture(model.means_.astype(np.float32), model.covariances_, model.weights_)


def _train_birch(
    jets: NDArray[np.float32], section: ClusterScanning, rng: np.random.Generator
) -> MergedClusters:
    """Small clusters of jets within a radius of each other, merged into k by Ward's criterion."""
    from sklearn.cluster import Birch

    usual = kmeans.train(jets, section.k, section.batch_size, rng, section.engine)
    distances = (jets - usual.centres[usual.labels(jets)]).astype(np.float64)
    radius = _BIRCH_RADIUS * float(np.sqrt((distances**2).sum(axis=1).mean()))
    # Now and then a product of finite numbers raises the processor's flag of invalid ones, but not for the same
    # jets in another process. Numbers that are invalid reach the centres, which scikit-learn refuses to merge.
    try:
        with _unconverged(), np.errstate(invalid="ignore"):
            model = Birch(n_clusters=section.k, threshold=radius, compute_labels=False).fit(jets)
    except ValueError as error:
        raise ArgumentError(f"birch cannot cluster these features: {error}") from error
    parts = np.asarray(model.subcluster_centers_, dtype=np.float32)
    if len(parts) < section.k:
        raise ArgumentError(
            f"birch found {len(parts)} clusters of radius {radius:.3g}, fewer than k = {section.k}: lower k"
        )
    cluster = np.asarray(model.subcluster_labels_, dtype=np.int64)
    centres = np.stack([parts[cluster == label].mean(axis=0) for label in range(section.k)])
    return MergedClusters(ClusterModel(parts), cluster, centres)
