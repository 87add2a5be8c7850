"""Mini-batch k-means in compiled code: the algorithm of scikit-learn's MiniBatchKMeans, without its overhead.

Seeds by greedy k-means++ (Arthur and Vassilvitskii 2007) on a random subset; mini-batches drawn with
replacement; every centroid the running mean of the jets it was given (Sculley 2010); centroids with few jets put
onto random jets; an end when the smoothed inertia no longer falls. Numbers are scikit-learn's defaults. All
random numbers are drawn here, outside of the compiled code.

Centroids are kept in float64, since a running mean over some thousand batches is worth it and costs nothing, and
rounded to float32, the precision of the features, where distances are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.kmeans.kernels import (
    JETS,
    count_nearest,
    find_seeds,
    nearest,
    take_step,
)
from hepcs.searches.cluster_scanning.kmeans.nearest import (
    RoundedJets,
    room_for,
    room_for_jets,
    round_centres,
    scaled_centres,
)

# The training set is gone through at most so often.
MAX_EPOCHS = 100
# Seeds are sought among so many batches.
SEEDING_BATCHES = 3
# A centroid with less than this share of the jets of the largest one is put elsewhere, and this is looked at
# when so many jets for each centroid have gone by.
REASSIGNMENT_RATIO = 0.01
REASSIGNMENT_INTERVAL = 10
# Steps without a new minimum of the smoothed inertia that end the training.
MAX_STEPS_WITHOUT_IMPROVEMENT = 10

# Lloyd's algorithm: most steps, and the squared shift of the centroids that ends it, in variances of the features.
MAX_LLOYD_STEPS = 300
LLOYD_TOLERANCE = 1e-4


class _Centres:
    """Centroids in float64, how many jets each was given, and the rounded ones that distances are taken to."""

    def __init__(self, centres: NDArray[np.floating], jets: RoundedJets) -> None:
        self.exact = centres.astype(np.float64)
        self.counts = np.zeros(len(centres))
        self.rounded = room_for(1, *centres.shape)._replace(shift=jets.shift, scale=jets.scale)
        self.round()

    def round(self) -> None:
        """Bring the rounded ones up to date."""
        round_centres(self.exact[np.newaxis], self.rounded)

    def float32(self) -> NDArray[np.float32]:
        """The centroids as distances are taken to them, shape (k, d)."""
        return self.rounded.rounded[0, : len(self.exact)].copy()


@dataclass
class _Convergence:
    """Ends the training when the exponentially weighted mean of the inertia no longer falls."""

    weight: float
    smoothed: float | None = None
    least: float = np.inf
    without_improvement: int = 0

    def reached(self, inertia: float) -> bool:
        """Take in the mean inertia of a batch, of the second step or later (the first knows only the seeds)."""
        if self.smoothed is None:
            self.smoothed = inertia
        else:
            self.smoothed = self.smoothed * (1 - self.weight) + inertia * self.weight
        if self.smoothed < self.least:
            self.least = self.smoothed
            self.without_improvement = 0
        else:
            self.without_improvement += 1
        return self.without_improvement >= MAX_STEPS_WITHOUT_IMPROVEMENT


def choose_seeds(features: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Greedy k-means++ seeds, shape (k, d), among jets of shape (n, d).

    Each seed is the best of 2 + int(log k) jets drawn with probabilities in proportion to the squared distance to
    the nearest seed so far. Where no jet is left at a distance, the first one is taken again.
    """
    seeds = np.empty(k, dtype=np.int64)
    seeds[0] = rng.integers(len(features))
    find_seeds(features, rng.random((k - 1, 2 + int(np.log(k)))), seeds)
    return features[seeds]


def _reassign(
    centres: _Centres, features: NDArray[np.float32], drawn: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """Put centroids with few jets onto random jets of the batch, at most half as many as it has."""
    counts = centres.counts
    least = REASSIGNMENT_RATIO * counts.max()
    if counts.min() >= least:
        return
    few = counts < least
    most = len(drawn) // 2
    if few.sum() > 0.5 * len(drawn):
        few[np.argsort(counts, kind="stable")[most:]] = False
    n_few = int(few.sum())
    if n_few == 0:
        return
    centres.exact[few] = features[drawn[rng.choice(len(drawn), size=n_few, replace=False)]]
    # As many jets as the least of the others has, or they would be put elsewhere again at once.
    counts[few] = counts[~few].min()
    centres.round()


def train_centres(
    jets: RoundedJets, k: int, batch_size: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Trained centroids, shape (k, d), of training jets of shape (m, d).

    Raises
    ------
    ArgumentError
        If a feature is NaN or infinite.
    """
    features = jets.x
    m = len(features)
    batch_size = min(batch_size, m)
    subset = SEEDING_BATCHES * batch_size
    if subset < k:
        subset = 3 * k
    chosen = features if subset >= m else np.take(features, rng.integers(m, size=subset), axis=0)
    centres = _Centres(choose_seeds(chosen, k, rng), jets)
    convergence = _Convergence(weight=min(1.0, 2 * batch_size / (m + 1)))
    since_reassignment = 0
    for step in range(MAX_EPOCHS * m // batch_size):
        drawn = rng.integers(m, size=batch_size)
        since_reassignment += batch_size
        reassign = since_reassignment >= REASSIGNMENT_INTERVAL * k or not centres.counts.all()
        inertia = take_step(jets.rows, drawn, centres.exact, centres.counts, centres.rounded)
        if not np.isfinite(inertia):
            raise ArgumentError(
                "the features of some training jets are NaN, infinite or too large for float32"
            )
        if reassign:
            since_reassignment = 0
            _reassign(centres, features, drawn, rng)
        if step > 0 and convergence.reached(inertia / batch_size):
            break
    return centres.float32()


def train_lloyd_centres(jets: RoundedJets, k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Centroids of Lloyd's algorithm, shape (k, d): every step goes through all jets of shape (m, d).

    It ends when the centroids move by less than a small share of the jets' spread, as scikit-learn's does; a
    centroid without jets is put onto a random one.

    Raises
    ------
    ArgumentError
        If a feature is NaN or infinite.
    """
    features = jets.x
    centres = _Centres(choose_seeds(features, k, rng), jets)
    tolerance = LLOYD_TOLERANCE * float(features.var(axis=0, dtype=np.float64).mean())
    every = np.arange(len(features))
    for _ in range(MAX_LLOYD_STEPS):
        before = centres.exact.copy()
        centres.counts[:] = 0
        inertia = take_step(jets.rows, every, centres.exact, centres.counts, centres.rounded)
        if not np.isfinite(inertia):
            raise ArgumentError(
                "the features of some training jets are NaN, infinite or too large for float32"
            )
        empty = np.flatnonzero(centres.counts == 0)
        centres.exact[empty] = features[rng.integers(len(features), size=len(empty))]
        if empty.size:
            centres.round()
        if not empty.size and float(((centres.exact - before) ** 2).sum()) <= tolerance:
            break
    return centres.float32()


def nearest_centre(features: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index of the nearest of the centroids, shape (k, d), for each jet: (n, d) to (n,).

    Raises
    ------
    ArgumentError
        If a feature is NaN or infinite.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    labels = np.empty(len(features), dtype=np.int32)
    rows = room_for_jets(JETS, features.shape[1])
    nearest(features, scaled_centres(centres[np.newaxis].astype(np.float64)), rows, labels)
    bad = np.count_nonzero(labels < 0)
    if bad:
        raise ArgumentError(
            f"the features of {bad} of {len(features)} jets are NaN, infinite or too large for float32"
        )
    return labels.astype(np.int64)


def count_jets(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    centres: Sequence[NDArray[np.float32]],
    n_cells: int,
) -> NDArray[np.int64]:
    """Jets by nearest centroid and cell for several clusterings of (k, d) centroids each: shape (m, k, n_cells).

    The arguments are those of :func:`hepcs.searches.cluster_scanning.kmeans.count_jets`.

    Raises
    ------
    ArgumentError
        If a feature is NaN or infinite.
    """
    together = np.stack(centres)
    prepared = scaled_centres(together.astype(np.float64))
    counts = np.zeros((*together.shape[:2], n_cells), dtype=np.int64)
    n_jets, d = features.shape[1:]
    # A view of what is contiguous, and of one jet an event.
    jets = np.asarray(features)[:, 0] if n_jets == 1 else np.asarray(features).reshape(-1, d)
    room = room_for_jets(max(JETS // n_jets, 1) * n_jets, d)
    bad = count_nearest(jets, n_jets, rows, cells, multiplicity, prepared, room, counts)
    if bad:
        raise ArgumentError(
            f"the features of {bad} of {n_jets * len(rows)} jets are NaN, infinite or too large for float32"
        )
    return counts
