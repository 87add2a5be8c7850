"""The nearest centroids of many jets, by a first pass in whole numbers and an exact second one.

What counts is the plain product: the least score ``|c|^2 / 2 - x.c`` in float32, summed in the order of the
features.
Rounded to whole numbers of 16 bits, jets and centroids give it in a third of the time, up to an error that has a
bound. Where the two least scores are further apart than the bounds of both errors, and those of the plain
product's own rounding, the label is known; the few other jets, some per cent, get the plain product. So labels are
those of the plain product for every jet, on every processor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled
from hepcs.searches.cluster_scanning.kmeans.int16_tiles import LARGEST, WIDE, label_tile, round_tile
from hepcs.searches.cluster_scanning.kmeans.tiles import GROUP, nearest_in_tile
from hepcs.searches.cluster_scanning.kmeans.vectors import LANES

# The largest centroid has this norm in whole numbers, and no product of a jet with a centroid is larger.
_NORM, _PRODUCT = 1 << 13, 1 << 30
# Of centroids that only pad, never nearest; of jets that are left to the plain product, no scores differ by more.
_FAR, _NEVER = (1 << 30) + (1 << 27), 2**31 - 1
# Largest error of a rounded feature, with the one in float32 before.
_ROUNDING = 0.51
# Of float32: half a unit in the last place, and the smallest number.
_UNIT, _SMALLEST = 2.0**-24, 2.0**-149


class Centroids(NamedTuple):
    """Centroids of m clusterings as the kernels want them, from :func:`round_centres`.

    Attributes
    ----------
    rounded, half_norms
        In float32, shape (m, padded k, d), and ``|c|^2 / 2``, infinite for centroids that only pad.
    whole, norms
        ``s (shift - c)`` in whole numbers, shape (m, padded k, pairs, 2), and ``s^2 |c - shift|^2 / 2``.
    shift
        What is subtracted from all features, shape (d,): the mean centroid.
    scale
        Shape (4,): s; the margin a + b n of a jet whose whole numbers have the sum of sizes n, as a and b; and the
        largest n for which sums stay within 32 bits.
    """

    rounded: NDArray[np.float32]
    half_norms: NDArray[np.float32]
    whole: NDArray[np.int16]
    norms: NDArray[np.int32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float64]


def room_for(m: int, k: int, d: int) -> Centroids:
    """Room for m times k centroids of d features."""
    padded, pairs = -(-k // GROUP) * GROUP, -(-d // 2)
    return Centroids(
        np.zeros((m, padded, d), dtype=np.float32),
        np.full((m, padded), np.inf, dtype=np.float32),
        np.zeros((m, padded, pairs, 2), dtype=np.int16),
        np.full((m, padded), _FAR, dtype=np.int32),
        np.zeros(d, dtype=np.float32),
        np.zeros(4),
    )


@compiled
def round_centres(centres, into):  # type: ignore[no-untyped-def]
    """Bring :class:`Centroids` up to date with centroids of shape (m, k, d), float64."""
    m, k, d = centres.shape
    mean = np.zeros(d)
    for i in range(m):
        for c in range(k):
            total = 0.0
            for f in range(d):
                into.rounded[i, c, f] = centres[i, c, f]
                value = np.float64(into.rounded[i, c, f])
                total += value * value
                mean[f] += value
            into.half_norms[i, c] = total / 2
    shift_norm = 0.0
    for f in range(d):
        into.shift[f] = mean[f] / (m * k)
        shift_norm += np.float64(into.shift[f]) ** 2
    largest, shifted = 0.0, 0.0
    squares = np.empty((m, k))
    for i in range(m):
        for c in range(k):
            total = 0.0
            for f in range(d):
                total += (np.float64(into.rounded[i, c, f]) - into.shift[f]) ** 2
            squares[i, c] = total
            shifted = max(shifted, total)
            largest = max(largest, 2 * np.float64(into.half_norms[i, c]))
    scale = np.float64(np.float32(_NORM / np.sqrt(shifted))) if shifted > 0 else 1.0
    if not (scale < np.inf and largest < np.inf):
        # Numbers beyond float32, or none: all is left to the plain product.
        into.scale[:] = 0, _NEVER, 0, 0
        return
    whole = into.whole.reshape(m, into.whole.shape[1], -1)
    for i in range(m):
        for c in range(k):
            into.norms[i, c] = np.rint(scale * scale * squares[i, c] / 2)
            for f in range(d):
                whole[i, c, f] = np.rint(scale * (into.shift[f] - np.float64(into.rounded[i, c, f])))
    # The plain product errs by less than d + 4 units of the largest partial sum, |c|^2 / 2 + |c| |x|.
    units, longest = scale * (d + 4) * _UNIT, np.sqrt(largest)
    plain = units * longest * (scale * (longest / 2 + np.sqrt(shift_norm)) + _ROUNDING * d)
    plain += scale * scale * (d + 4) * _SMALLEST
    # Twice, once for each of the two scores. The low bits are given up for the number of the centroid.
    into.scale[0] = scale
    into.scale[1] = 2.01 * (1 + _ROUNDING * np.sqrt(d) * _NORM + plain + _low_bits(into.norms.shape[1]))
    into.scale[2] = 2.01 * (_ROUNDING + units * longest)
    into.scale[3] = _PRODUCT / (_NORM + 1)


@compiled
def _low_bits(k):  # type: ignore[no-untyped-def]
    """The bits that hold a number below k."""
    mask = 1
    while mask < k - 1:
        mask = 2 * mask + 1
    return mask


@compiled
def label_jets(x, index, start, n, centroids, labels):  # type: ignore[no-untyped-def]
    """Nearest centroid of each of n jets by every clustering, the lowest of equals.

    Parameters
    ----------
    x, index
        Jets, shape (N, d), float32, and which of them, int64.
    start, n
        The part of the index that is labelled; `start` a multiple of WIDE.
    centroids
        Of m clusterings.
    labels
        Result, shape (m, n + WIDE at least), int32; -1 for a jet without a finite score.
    """
    d = x.shape[1]
    chunks = (d + LANES - 1) // LANES
    n_tiles = (n + WIDE - 1) // WIDE
    tiles = np.empty((n_tiles, chunks * LANES // 2, WIDE, 2), np.int16)
    margins = np.empty((n_tiles, WIDE), np.int32)
    sums, peaks = np.empty(WIDE, np.int32), np.empty(WIDE, np.int32)
    shift = np.zeros(chunks * LANES, np.float32)
    shift[:d] = centroids.shift
    scale = np.float32(centroids.scale[0])
    least, factor, limit = centroids.scale[1], centroids.scale[2], centroids.scale[3]
    for t in range(n_tiles):
        tile, margin = tiles[t], margins[t]
        for first in range(0, WIDE, LANES):
            round_tile(x, index, start + t * WIDE + first, shift, scale, tile, sums, peaks)
        for j in range(WIDE):
            wide = least + factor * sums[j]
            known = peaks[j] < LARGEST and sums[j] <= limit and wide < _NEVER
            margin[j] = np.int32(wide if known else _NEVER)
            if not known:
                tile[:, j] = 0
        # Past the last jet all is known.
        for j in range(n - t * WIDE, WIDE):
            margin[j] = -1
    mask = _low_bits(centroids.norms.shape[1])
    doubtful = np.empty(n + WIDE, np.int32)
    tile = np.zeros((d, LANES), np.float32)
    score, chosen = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for m in range(len(labels)):
        whole, norms, mine = centroids.whole[m], centroids.norms[m], labels[m]
        count = 0
        for t in range(n_tiles):
            count = label_tile(tiles[t], whole, norms, mask, margins[t], t * WIDE, mine, doubtful, count)
        for some in range(0, count, LANES):
            lanes = min(LANES, count - some)
            for j in range(lanes):
                row = index[start + doubtful[some + j]]
                for f in range(d):
                    tile[f, j] = x[row, f]
            nearest_in_tile(tile, centroids.rounded[m], centroids.half_norms[m], score, chosen)
            for j in range(lanes):
                mine[doubtful[some + j]] = chosen[j] if -np.inf < score[j] < np.inf else -1
