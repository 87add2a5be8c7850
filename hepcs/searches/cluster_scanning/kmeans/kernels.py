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
from hepcs.searches.cluster_scanning.kmeans.nearest import label_jets, round_centres
from hepcs.searches.cluster_scanning.kmeans.tiles import add_up, scores_of
from hepcs.searches.cluster_scanning.kmeans.vectors import LANES

# Jets of a block of the seeding. 128 were fastest of 32 to 256.
BLOCK = 128
# Jets that are labelled at a time: bounds the memory.
JETS = 512


@compiled
def nearest(x, centroids, labels):  # type: ignore[no-untyped-def]
    """Nearest centroid of each jet, of shape (n, d), float32, the lowest of equals; -1 for a jet with a NaN.

    Labels are written to an array of shape (n,), int32.
    """
    found = np.empty((1, JETS + WIDE), np.int32)
    index = np.arange(len(x))
    for start in range(0, len(x), JETS):
        stop = min(start + JETS, len(x))
        label_jets(x, index, start, stop - start, centroids, found)
        labels[start:stop] = found[0, : stop - start]


@compiled
def count_nearest(x, n_jets, rows, cells, multiplicity, centroids, counts):  # type: ignore[no-untyped-def]
    """Count the jets of events by their nearest centroid and the cell of their event, for several clusterings.

    All clusterings share one pass over the jets.

    Parameters
    ----------
    x, n_jets
        Jets of each event one after the other, shape (N j, d), float32, and j.
    rows, cells, multiplicity
        Which events of x there are, the cell and the multiplicity of each, shape (n,).
    centroids
        Of m clusterings.
    counts
        Result, added to, shape (m, k, cells).

    Returns
    -------
    Number of distinct jets that have no finite distance to the centroids; they are not counted.
    """
    step = max(JETS // (WIDE * n_jets), 1) * WIDE
    index = np.empty(rows.size * n_jets, np.int64)
    for e in range(rows.size):
        for jet in range(n_jets):
            index[e * n_jets + jet] = rows[e] * n_jets + jet
    labels = np.empty((len(counts), step * n_jets + WIDE), np.int32)
    bad = 0
    for start in range(0, rows.size, step):
        events = min(step, rows.size - start)
        label_jets(x, index, start * n_jets, events * n_jets, centroids, labels)
        lost = np.zeros(events * n_jets, np.bool_)
        for m in range(len(counts)):
            for e in range(events):
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
def take_step(x, drawn, centres, counts, centroids):  # type: ignore[no-untyped-def]
    """Move the centroids, in place, to the running mean of all jets they were given; returns the inertia.

    Parameters
    ----------
    x, drawn
        Jets, shape (N, d), float32, and which of them are in a mini-batch, shape (b,), int64.
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
    labels = np.empty((1, JETS + WIDE), np.int32)
    scores = np.empty(LANES, np.float32)
    padded = (d + LANES - 1) // LANES * LANES
    sums, squares = np.zeros((k, padded)), np.zeros(padded)
    members = np.zeros(k)
    inertia = 0.0
    for start in range(0, len(drawn), JETS):
        n = min(JETS, len(drawn) - start)
        label_jets(x, drawn, start, n, centroids, labels)
        found = labels[0]
        for j in range(n):
            if found[j] < 0:
                return np.inf
            members[found[j]] += 1
        for first in range(0, n, LANES):
            scores_of(x, drawn, start, first, found, rounded, half_norms, scores)
            for j in range(min(LANES, n - first)):
                inertia += 2 * np.float64(scores[j])
        add_up(x, drawn, start, n, found, sums, squares)
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
def transposed_blocks(x):  # type: ignore[no-untyped-def]
    """Jets (n, d) as blocks, shape (ceil(n / BLOCK), d, BLOCK); lanes beyond the last jet are zero."""
    n, d = x.shape
    blocks = np.zeros(((n + BLOCK - 1) // BLOCK, d, BLOCK), np.float32)
    for i in range(n):
        for f in range(d):
            blocks[i // BLOCK, f, i % BLOCK] = x[i, f]
    return blocks


@compiled
def try_seeds(blocks, candidates, closest, updated):  # type: ignore[no-untyped-def]
    """Squared distances to the nearest seed, were one of the candidates added.

    By differences rather than products: a jet is at distance zero, exactly, of a seed that equals it, and is not
    drawn again.

    Parameters
    ----------
    blocks
        From `transposed_blocks`.
    candidates
        Features of the candidates, shape (t, d), float32.
    closest
        Squared distances to the seeds so far, shape (blocks, BLOCK), float32; zero in lanes without a jet.
    updated
        The result for each candidate, shape (t, blocks, BLOCK), float32.

    Returns
    -------
    Sum of the result over the jets, shape (t,).
    """
    n_blocks, d, _ = blocks.shape
    trials = candidates.shape[0]
    distances = np.empty((trials, BLOCK), np.float32)
    lanes = np.zeros((trials, BLOCK))
    for b in range(n_blocks):
        distances[:] = 0
        for f in range(d):
            x = blocks[b, f]
            for t in range(trials):
                value = candidates[t, f]
                row = distances[t]
                for j in range(BLOCK):
                    difference = x[j] - value
                    row[j] += difference * difference
        for t in range(trials):
            row, new, old, lane = distances[t], updated[t, b], closest[b], lanes[t]
            for j in range(BLOCK):
                least = row[j] if row[j] < old[j] else old[j]
                new[j] = least
                lane[j] += least
    potentials = np.zeros(trials)
    for t in range(trials):
        for j in range(BLOCK):
            potentials[t] += lanes[t, j]
    return potentials


@compiled
def cumulate(values, out):  # type: ignore[no-untyped-def]
    """Partial sums, float64, of as many of the values, float32, as there is room for."""
    total = 0.0
    for i in range(out.size):
        total += values[i]
        out[i] = total
