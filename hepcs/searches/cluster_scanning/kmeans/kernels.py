"""The compiled kernels of k-means; they trust their arguments.

Jets go through in tiles, transposed so that a vector holds one feature of several jets. The sum for each jet and
centroid still runs over the features one by one, in their order: no sum depends on the length of a vector
register or on which jets share a tile, and without fused multiply-add (numba's default) nor a BLAS the bits are
those of IEEE arithmetic, the same on every processor.
"""

from __future__ import annotations

import numpy as np

from hepcs._core.compilation import compiled
from hepcs.searches.cluster_scanning.kmeans.int16_tiles import WIDE
from hepcs.searches.cluster_scanning.kmeans.nearest import (
    first_feature,
    label_jets,
    round_centres,
    round_jets,
)
from hepcs.searches.cluster_scanning.kmeans.tiles import BLOCK, add_up, block_distances, scores_of
from hepcs.searches.cluster_scanning.kmeans.vectors import LANES, prefetch

# Jets that are labelled at a time: they stay in the cache.
JETS = 512


@compiled
def nearest(x, centroids, rows, labels):  # type: ignore[no-untyped-def]
    """Nearest centroid of each jet, of shape (n, d), float32, the lowest of equals; -1 for a jet with a NaN.

    Labels are written to an array of shape (n,), int32; `rows` is room for the jets that go through at a time.
    """
    step = len(rows)
    found, places = np.empty((1, step + WIDE), np.int32), np.arange(step)
    for start in range(0, len(x), step):
        index = np.arange(start, min(start + step, len(x)))
        round_jets(x, index, centroids.shift, centroids.scale, rows)
        label_jets(rows, places[: len(index)], centroids, found)
        labels[index] = found[0, : len(index)]


@compiled
def count_nearest(x, n_jets, events, cells, multiplicity, centroids, rows, counts):  # type: ignore[no-untyped-def]
    """Count the jets of events by their nearest centroid and the cell of their event, for several clusterings.

    All clusterings share one pass over the jets.

    Parameters
    ----------
    x, n_jets
        Jets of each event one after the other, shape (N j, d), float32, and j.
    events, cells, multiplicity
        Which events of x there are, the cell and the multiplicity of each, shape (n,).
    centroids
        Of m clusterings.
    rows
        Room for the jets that go through at a time, of n_jets events at least.
    counts
        Result, added to, shape (m, k, cells).

    Returns
    -------
    Number of distinct jets that have no finite distance to the centroids; they are not counted.
    """
    step = len(rows) // n_jets
    index, places = np.empty(len(rows), np.int64), np.arange(len(rows))
    labels = np.empty((len(counts), len(rows) + WIDE), np.int32)
    bad = 0
    for start in range(0, events.size, step):
        n_events = min(step, events.size - start)
        n = n_events * n_jets
        for e in range(n_events):
            for jet in range(n_jets):
                index[e * n_jets + jet] = events[start + e] * n_jets + jet
        round_jets(x, index[:n], centroids.shift, centroids.scale, rows)
        label_jets(rows, places[:n], centroids, labels)
        lost = np.zeros(n, np.bool_)
        for m in range(len(counts)):
            for e in range(n_events):
                cell, times = cells[start + e], multiplicity[start + e]
                for jet in range(n_jets):
                    j = e * n_jets + jet
                    label = labels[m, j]
                    if label >= 0:
                        counts[m, label, cell] += times
                    else:
                        lost[j] = True
        bad += lost.sum()
    return bad


@compiled
def take_step(rows, drawn, centres, counts, centroids):  # type: ignore[no-untyped-def]
    """Move the centroids, in place, to the running mean of all jets they were given; returns the inertia.

    Parameters
    ----------
    rows, drawn
        Jets, from `round_jets`, and which of them are in a mini-batch, shape (b,), int64.
    centres, counts
        Centroids, shape (k, d), and jets of each so far, shape (k,), float64.
    centroids
        The centroids before the step, and then those after it.

    Returns
    -------
    Sum over the batch of the squared distances to the nearest centroid, before the move; not finite if a feature
    is not.
    """
    k, d = centres.shape
    rounded, half_norms = centroids.rounded[0], centroids.half_norms[0]
    x = rows[:, first_feature(d) : first_feature(d) + d]
    labels = np.empty((1, JETS + WIDE), np.int32)
    scores = np.empty(LANES, np.float32)
    padded = (d + LANES - 1) // LANES * LANES
    sums, squares = np.zeros((k, padded)), np.zeros(padded)
    members = np.zeros(k)
    inertia = 0.0
    for row in drawn[:JETS]:
        prefetch(rows, row)
    for start in range(0, len(drawn), JETS):
        some, later = drawn[start : start + JETS], drawn[start + JETS : start + 2 * JETS]
        label_jets(rows, some, centroids, labels)
        found = labels[0]
        for label in found[: len(some)]:
            if label < 0:
                return np.inf
            members[label] += 1
        for first in range(0, len(some), LANES):
            n = min(LANES, len(some) - first)
            for row in later[first : first + LANES]:
                prefetch(rows, row)
            scores_of(x, some, 0, first, found, rounded, half_norms, scores)
            for j in range(n):
                inertia += 2 * np.float64(scores[j])
            add_up(x, some, first, n, found[first:], sums, squares)
    for c in range(k):
        if members[c] > 0:
            total = counts[c] + members[c]
            for f in range(d):
                centres[c, f] = (centres[c, f] * counts[c] + sums[c, f]) / total
            counts[c] = total
    for f in range(d):
        inertia += squares[f]
    round_centres(centres.reshape(1, k, d), centroids)
    return inertia


@compiled
def find_seeds(x, uniform, seeds):  # type: ignore[no-untyped-def]
    """Greedy k-means++: find the seeds after the first.

    Parameters
    ----------
    x
        Jets, shape (n, d), float32.
    uniform
        Random numbers in [0, 1) for each further seed and each of its candidates, shape (k - 1, trials).
    seeds
        Jets of x, shape (k,), int64, of which the first is known; result.
    """
    n = len(x)
    trials = uniform.shape[1]
    blocks = _transposed_blocks(x)
    closest = np.zeros((len(blocks), BLOCK), np.float32)
    # Lanes without a jet stay at zero.
    closest.reshape(-1)[:n] = np.inf
    updated = np.empty((trials, *closest.shape), np.float32)
    cumulative = np.empty(n)
    potential = _try_seeds(blocks, x[seeds[:1]], closest, updated)[0]
    closest[:] = updated[0]
    candidates = np.empty(trials, np.int64)
    for c in range(1, len(seeds)):
        total = 0.0
        for i in range(n):
            total += closest[i // BLOCK, i % BLOCK]
            cumulative[i] = total
        for t in range(trials):
            candidates[t] = min(np.searchsorted(cumulative, uniform[c - 1, t] * potential), n - 1)
        potentials = _try_seeds(blocks, x[candidates], closest, updated)
        best = np.argmin(potentials)
        potential = potentials[best]
        closest[:] = updated[best]
        seeds[c] = candidates[best]


@compiled
def _transposed_blocks(x):  # type: ignore[no-untyped-def]
    """Jets (n, d) as blocks, shape (ceil(n / BLOCK), d, BLOCK); lanes beyond the last jet are zero."""
    n, d = x.shape
    blocks = np.zeros(((n + BLOCK - 1) // BLOCK, d, BLOCK), np.float32)
    for i in range(n):
        for f in range(d):
            blocks[i // BLOCK, f, i % BLOCK] = x[i, f]
    return blocks


@compiled
def _try_seeds(blocks, candidates, closest, updated):  # type: ignore[no-untyped-def]
    """Sum over the jets of squared distances to the nearest seed, were one of the candidates added: shape (t,).

    By differences rather than products: a jet is at distance zero, exactly, of a seed that equals it, and is not
    drawn again.

    Parameters
    ----------
    blocks
        From `_transposed_blocks`.
    candidates
        Features of the candidates, shape (t, d), float32.
    closest
        Squared distances to the seeds so far, shape (blocks, BLOCK), float32; zero in lanes without a jet.
    updated
        Result, those distances for each candidate, shape (t at least, blocks, BLOCK), float32.
    """
    distances, lanes = np.empty(BLOCK, np.float32), np.zeros((len(candidates), BLOCK))
    for b in range(len(blocks)):
        for t in range(len(candidates)):
            block_distances(blocks[b], candidates[t], distances)
            new, old, lane = updated[t, b], closest[b], lanes[t]
            for j in range(BLOCK):
                least = distances[j] if distances[j] < old[j] else old[j]
                new[j] = least
                lane[j] += least
    potentials = np.zeros(len(candidates))
    for t in range(len(candidates)):
        for j in range(BLOCK):
            potentials[t] += lanes[t, j]
    return potentials
