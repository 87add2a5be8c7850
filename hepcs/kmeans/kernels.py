"""The compiled kernels of k-means; they trust their arguments.

Jets go through in blocks, transposed so that the innermost loop runs over the jets of a block: the processor
takes several jets at a time, and the sum for each jet and centroid still runs over the features one by one, in
their order. So no sum depends on the length of a vector register, on the size of a block or on which jets share
it, and without fused multiply-add (numba's default) nor a BLAS the bits are those of IEEE arithmetic, the
same on every processor.
"""

from __future__ import annotations

import numpy as np

from hepcs.compilation import compiled

# Jets of a block, and features of a tile of it: 32 KiB of float32. 128 jets were fastest of 32 to 256.
BLOCK = 128
TILE = 64
# Features in one go, so that a partial sum is loaded and stored once for four of them. TILE is a multiple.
UNROLL = 4


@compiled
def _transpose(x, start, first, tile):  # type: ignore[no-untyped-def]
    """Fill a tile (TILE, BLOCK) with the block's features from `first` on; returns their number, padded.

    Lanes beyond the last jet keep what they held; features beyond the last one are zero.
    """
    jets = min(BLOCK, x.shape[0] - start)
    width = min(TILE, x.shape[1] - first)
    for j in range(jets):
        for f in range(width):
            tile[f, j] = x[start + j, first + f]
    padded = (width + UNROLL - 1) // UNROLL * UNROLL
    for f in range(width, padded):
        for j in range(BLOCK):
            tile[f, j] = 0
    return padded


@compiled
def _scores(x, start, centres, half_norms, tile, scores):  # type: ignore[no-untyped-def]
    """|c|^2 / 2 - x.c of the jets of a block, (k, BLOCK): (|x - c|^2 - |x|^2) / 2."""
    k = centres.shape[0]
    for c in range(k):
        for j in range(BLOCK):
            scores[c, j] = half_norms[c]
    for first in range(0, x.shape[1], TILE):
        padded = _transpose(x, start, first, tile)
        for c in range(k):
            s = scores[c]
            for f in range(0, padded, UNROLL):
                x0, x1, x2, x3 = tile[f], tile[f + 1], tile[f + 2], tile[f + 3]
                c0, c1 = centres[c, first + f], centres[c, first + f + 1]
                c2, c3 = centres[c, first + f + 2], centres[c, first + f + 3]
                for j in range(BLOCK):
                    s[j] = (((s[j] - c0 * x0[j]) - c1 * x1[j]) - c2 * x2[j]) - c3 * x3[j]


@compiled
def nearest(x, centres, half_norms, labels, score):  # type: ignore[no-untyped-def]
    """Nearest centroid of each jet, the lowest of equals, and its score; a jet with a NaN may score NaN.

    Parameters
    ----------
    x
        Jets, shape (n, d), float32.
    centres
        Centroids, shape (k, d padded with zeros to a multiple of UNROLL), float32.
    half_norms
        |c|^2 / 2, shape (k,), float32.
    labels, score
        Results, shape (n,), int64 and float32.
    """
    n = x.shape[0]
    k = centres.shape[0]
    tile = np.zeros((TILE, BLOCK), np.float32)
    scores = np.empty((k, BLOCK), np.float32)
    best = np.empty(BLOCK, np.float32)
    # Indices as float32, of the width of the scores, so that one comparison selects both.
    chosen = np.empty(BLOCK, np.float32)
    for start in range(0, n, BLOCK):
        _scores(x, start, centres, half_norms, tile, scores)
        for j in range(BLOCK):
            best[j] = scores[0, j]
            chosen[j] = 0
        for c in range(1, k):
            s = scores[c]
            index = np.float32(c)
            for j in range(BLOCK):
                new, old, before = s[j], best[j], chosen[j]
                nearer = new < old
                chosen[j] = index if nearer else before
                best[j] = new if nearer else old
        for j in range(min(BLOCK, n - start)):
            labels[start + j] = np.int64(chosen[j])
            score[start + j] = best[j]


@compiled
def take_step(batch, centres, counts, rounded, half_norms, labels, score):  # type: ignore[no-untyped-def]
    """Move the centroids, in place, to the running mean of all jets they were given; returns the inertia.

    Parameters
    ----------
    batch
        Jets of a mini-batch, shape (b, d), float32.
    centres, counts
        Centroids, shape (k, d), and jets of each so far, shape (k,), float64.
    rounded, half_norms, labels, score
        As for `nearest`: the centroids before the step, and room for its results.

    Returns
    -------
    Sum over the batch of the squared distances to the nearest centroid, before the move.
    """
    nearest(batch, rounded, half_norms, labels, score)
    k, d = centres.shape
    sums = np.zeros((k, d))
    squares = np.zeros(d)
    members = np.zeros(k)
    inertia = 0.0
    for i in range(batch.shape[0]):
        x = batch[i]
        mine = sums[labels[i]]
        members[labels[i]] += 1
        inertia += 2 * np.float64(score[i])
        for f in range(d):
            value = np.float64(x[f])
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
    """Centroids (k, d) as `nearest` wants them; the norms are those of the rounded ones."""
    for c in range(centres.shape[0]):
        total = 0.0
        for f in range(centres.shape[1]):
            rounded[c, f] = centres[c, f]
            total += np.float64(rounded[c, f]) ** 2
        half_norms[c] = total / 2


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
