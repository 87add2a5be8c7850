"""The compiled kernels of k-means; they trust their arguments.

Jets go through in tiles, transposed so that a vector holds one feature of several jets. The sum for each jet and
centroid still runs over the features one by one, in their order: no sum depends on the length of a vector
register or on which jets share a tile, and without fused multiply-add (numba's default) nor a BLAS the bits are
those of IEEE arithmetic, the same on every processor.
"""

from __future__ import annotations

import numpy as np

from hepcs._core.compilation import compiled
from hepcs.searches.cluster_scanning.kmeans.tiles import LANES, nearest_in_tile

# Jets of a block of the seeding. 128 were fastest of 32 to 256.
BLOCK = 128


@compiled
def _fill(tile, block):  # type: ignore[no-untyped-def]
    """Transpose up to LANES jets into a tile; returns their number. Further lanes keep what they held."""
    jets = block.shape[0]
    for f in range(tile.shape[0]):
        for j in range(jets):
            tile[f, j] = block[j, f]
    return jets


@compiled
def nearest(x, centres, half_norms, labels, score):  # type: ignore[no-untyped-def]
    """Nearest centroid of each jet, the lowest of equals, and its score; infinite for a jet with a NaN.

    Parameters
    ----------
    x
        Jets, shape (n, d), float32.
    centres, half_norms
        From `round_centres`.
    labels, score
        Results, shape (n,), int64 and float32.
    """
    n, d = x.shape
    tile = np.zeros((d, LANES), np.float32)
    best = np.empty(LANES, np.float32)
    chosen = np.empty(LANES, np.float32)
    for start in range(0, n, LANES):
        jets = _fill(tile, x[start : start + LANES])
        nearest_in_tile(tile, centres, half_norms, best, chosen)
        for j in range(jets):
            labels[start + j] = np.int64(chosen[j])
            score[start + j] = best[j]


@compiled
def count_nearest(x, rows, cells, multiplicity, centres, half_norms, counts):  # type: ignore[no-untyped-def]
    """Count the jets of events by their nearest centroid and the cell of their event, for several clusterings.

    All clusterings share one pass over the jets.

    Parameters
    ----------
    x
        Jets, shape (N, j, d), float32, j at most LANES for each event.
    rows, cells, multiplicity
        Which events of x there are, the cell and the multiplicity of each, shape (n,).
    centres, half_norms
        From `round_centres` for each clustering, shapes (m, padded k, d) and (m, padded k).
    counts
        Result, added to, shape (m, k, cells).

    Returns
    -------
    Number of distinct jets that have no finite distance to the centroids; they are not counted.
    """
    n_jets, d = x.shape[1:]
    n = rows.size
    tile = np.zeros((d, LANES), np.float32)
    best = np.empty(LANES, np.float32)
    chosen = np.empty(LANES, np.float32)
    bad = 0
    lost = np.zeros(LANES, np.bool_)
    step = LANES // n_jets
    for start in range(0, n, step):
        events = min(step, n - start)
        for e in range(events):
            for jet in range(n_jets):
                row = x[rows[start + e], jet]
                for f in range(d):
                    tile[f, n_jets * e + jet] = row[f]
        lost[:] = False
        for m in range(centres.shape[0]):
            nearest_in_tile(tile, centres[m], half_norms[m], best, chosen)
            for j in range(n_jets * events):
                if -np.inf < best[j] < np.inf:
                    e = start + j // n_jets
                    counts[m, np.int64(chosen[j]), cells[e]] += multiplicity[e]
                else:
                    lost[j] = True
        for j in range(n_jets * events):
            bad += lost[j]
    return bad


@compiled
def take_step(batch, centres, counts, rounded, half_norms):  # type: ignore[no-untyped-def]
    """Move the centroids, in place, to the running mean of all jets they were given; returns the inertia.

    Parameters
    ----------
    batch
        Jets of a mini-batch, shape (b, d), float32.
    centres, counts
        Centroids, shape (k, d), and jets of each so far, shape (k,), float64.
    rounded, half_norms
        The centroids before the step, from `round_centres`.

    Returns
    -------
    Sum over the batch of the squared distances to the nearest centroid, before the move; not finite if a feature
    is not.
    """
    k, d = centres.shape
    tile = np.zeros((d, LANES), np.float32)
    best = np.empty(LANES, np.float32)
    chosen = np.empty(LANES, np.float32)
    sums = np.zeros((k, d))
    squares = np.zeros(d)
    members = np.zeros(k)
    inertia = 0.0
    for start in range(0, batch.shape[0], LANES):
        block = batch[start : start + LANES]
        jets = _fill(tile, block)
        nearest_in_tile(tile, rounded, half_norms, best, chosen)
        for j in range(jets):
            row = block[j]
            label = np.int64(chosen[j])
            mine = sums[label]
            members[label] += 1
            inertia += 2 * np.float64(best[j])
            for f in range(d):
                value = np.float64(row[f])
                mine[f] += value
                squares[f] += value * value
    for c in range(k):
        if members[c] > 0:
            total = counts[c] + members[c]
            for f in range(d):
                centres[c, f] = (centres[c, f] * counts[c] + sums[c, f]) / total
            counts[c] = total
    for f in range(d):
        inertia += squares[f]
    return inertia


@compiled
def round_centres(centres, rounded, half_norms):  # type: ignore[no-untyped-def]
    """Centroids (k, d) as `nearest` wants them: (padded k, d), and ``|c|^2 / 2`` of the rounded ones.

    That is infinite for the centroids that only pad.
    """
    for c in range(centres.shape[0]):
        total = 0.0
        for f in range(centres.shape[1]):
            rounded[c, f] = centres[c, f]
            total += np.float64(rounded[c, f]) ** 2
        half_norms[c] = total / 2
    for c in range(centres.shape[0], half_norms.size):
        half_norms[c] = np.inf


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
