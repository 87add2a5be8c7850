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
from hepcs.searches.cluster_scanning.kmeans.int16_tiles import WIDE, gather_tile, label_tile
from hepcs.searches.cluster_scanning.kmeans.tiles import GROUP, nearest_in_tile
from hepcs.searches.cluster_scanning.kmeans.vectors import LANES, LINE

# Largest norms of a jet and of a centroid in whole numbers: no score leaves 32 bits.
_JET, _CENTROID = 2**15 - 1, 23_170
# The largest centroid has this norm where the scale is chosen by the centroids, and the largest jet where it is
# chosen by the jets.
_BY_CENTROIDS, _BY_JETS = 2.0**14, 23_000.0
# Of centroids that only pad, never nearest; of jets that are left to the plain product, no scores differ by more.
_FAR, _NEVER = 2**30, 2**31 - 1
# Errors of whole numbers are kept in steps of so much.
_STEP = 1 / 256
# Of float32: half a unit in the last place, and the smallest number.
_UNIT, _SMALLEST = 2.0**-24, 2.0**-149


class RoundedJets(NamedTuple):
    """Jets that are clustered several times, from :func:`rounded_jets`.

    Attributes
    ----------
    x
        Features, shape (N, d), float32.
    rows
        From :func:`round_jets`.
    shift, scale
        The shift, shape (d,), and s, shape (1,), of ``s (x - shift)`` in whole numbers.
    """

    x: NDArray[np.float32]
    rows: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]


class Centroids(NamedTuple):
    """Centroids of m clusterings as the kernels want them, from :func:`round_centres`.

    Attributes
    ----------
    rounded, half_norms
        In float32, shape (m, padded k, d), and ``|c|^2 / 2``, infinite for centroids that only pad.
    whole, norms
        ``s (shift - c)`` in whole numbers, shape (m, padded k, pairs, 2), and ``s^2 |c - shift|^2 / 2``.
    shift, scale
        The shift, shape (d,), and s, shape (1,).
    margin
        Shape (3,): the margin of a jet is the first, the second times the error of its whole numbers, and the
        third times their norm.
    """

    rounded: NDArray[np.float32]
    half_norms: NDArray[np.float32]
    whole: NDArray[np.int16]
    norms: NDArray[np.int32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    margin: NDArray[np.float64]


def room_for(m: int, k: int, d: int) -> Centroids:
    """Room for m times k centroids of d features."""
    padded, pairs = -(-k // GROUP) * GROUP, -(-d // 2)
    return Centroids(
        np.zeros((m, padded, d), dtype=np.float32),
        np.full((m, padded), np.inf, dtype=np.float32),
        np.zeros((m, padded, pairs, 2), dtype=np.int16),
        np.full((m, padded), _FAR, dtype=np.int32),
        np.zeros(d, dtype=np.float32),
        np.zeros(1, dtype=np.float32),
        np.zeros(3),
    )


def room_for_jets(n: int, d: int) -> NDArray[np.float32]:
    """Rows for n jets of d features: whole numbers in the first half, two to a word, and the features behind them.

    Each jet begins a line of the cache: those of a mini-batch lie far apart, and wait for the memory most of all.
    """
    words = -(-(first_feature(d) + d) // LANES) * LANES
    memory = np.empty((n + 1) * words, dtype=np.float32)
    start = -memory.ctypes.data % LINE // memory.itemsize
    return memory[start : start + n * words].reshape(n, words)


def rounded_jets(x: NDArray[np.float32]) -> RoundedJets:
    """Jets of shape (N, d) with whole numbers that any centroids between them can be compared with."""
    n, d = x.shape
    jets = RoundedJets(x, room_for_jets(n, d), np.zeros(d, np.float32), np.zeros(1, np.float32))
    choose_scale(x, _BY_JETS, jets.shift, jets.scale)
    round_jets(x, np.arange(n), jets.shift, jets.scale, jets.rows)
    return jets


def scaled_centres(centres: NDArray[np.float64]) -> Centroids:
    """Centroids of shape (m, k, d) with a scale of their own, for jets of any size."""
    into = room_for(*centres.shape)
    flat = centres.reshape(-1, centres.shape[2]).astype(np.float32)
    choose_scale(flat, _BY_CENTROIDS, into.shift, into.scale)
    round_centres(centres, into)
    return into


@compiled
def first_feature(d):  # type: ignore[no-untyped-def]
    """Where a row has the first of d features: behind as many whole numbers, their norm and their error."""
    return (d + 2 + 2 * LANES - 1) // (2 * LANES) * LANES


@compiled
def choose_scale(points, norm, shift, scale):  # type: ignore[no-untyped-def]
    """The mean of points (n, d) as shift, and the scale that gives the outermost of them a norm; 0 for none."""
    n, d = points.shape
    total = np.zeros(d)
    for i in range(n):
        for f in range(d):
            total[f] += points[i, f]
    shift[:] = total / max(n, 1)
    largest = np.float32(0)
    for i in range(n):
        square = np.float32(0)
        for f in range(d):
            square += (points[i, f] - shift[f]) ** 2
        largest = max(largest, square)
    scale[0] = norm / np.sqrt(largest)
    if not 0 < scale[0] < np.inf:
        scale[0] = 0


@compiled
def round_jets(x, index, shift, scale, rows):  # type: ignore[no-untyped-def]
    """Fill the rows of jets: in whole numbers, ``scale * (x - shift)``, and as they are.

    The last two of the numbers are the norm of the others and that of their error, in steps, both rounded up; the
    norm is -1 for jets that are not numbers or too large.

    Parameters
    ----------
    x, index
        Jets, shape (N, d), float32, and which, shape (n,), int64.
    shift, scale
        Shapes (d,) and (1,), float32.
    rows
        Result, from `room_for_jets`.
    """
    d, s, limit = x.shape[1], scale[0], np.float32(_JET)
    start = first_feature(d)
    whole = rows.view(np.int16)
    # What is cut off, and the rounding of the value itself, are a step each.
    lost = 2 * np.sqrt(d)
    for j in range(len(index)):
        jet, numbers, features = x[index[j]], whole[j, : 2 * start], rows[j, start:]
        square, error = np.int64(0), np.int32(0)
        for f in range(d):
            features[f] = jet[f]
            value = s * (jet[f] - shift[f])
            value = value if np.abs(value) < limit else limit
            near = np.rint(value)
            number, wrong = np.int32(near), np.int32((value - near) * np.float32(1 / _STEP))
            numbers[f] = np.int16(number)
            square += number * number
            error += wrong * wrong
        for f in range(d, 2 * start):
            numbers[f] = 0
        norm = np.ceil(np.sqrt(np.float64(square)))
        if norm < _JET:
            numbers[-2], numbers[-1] = norm, np.ceil(np.sqrt(np.float64(error)) + lost)
        else:
            numbers[:] = 0
            numbers[-2] = -1


@compiled
def round_centres(centres, into):  # type: ignore[no-untyped-def]
    """Bring :class:`Centroids`, whose scale is chosen, up to date with centroids of shape (m, k, d), float64."""
    m, k, d = centres.shape
    s = np.float64(into.scale[0])
    whole = into.whole.reshape(m, into.whole.shape[1], -1)
    longest, largest = 0.0, 0.0
    for i in range(m):
        for c in range(k):
            centre, row, number = centres[i, c], into.rounded[i, c], whole[i, c]
            for f in range(d):
                row[f] = centre[f]
                value = s * (np.float64(into.shift[f]) - np.float64(row[f]))
                number[f] = np.int16(np.rint(value if np.abs(value) < _CENTROID else 0.0))
            total, square = 0.0, 0.0
            for f in range(d):
                value = np.float64(row[f])
                total += value * value
                square += (np.float64(into.shift[f]) - value) ** 2
            square *= s * s
            into.half_norms[i, c] = total / 2
            into.norms[i, c] = np.int32(min(np.rint(square / 2), _FAR))
            longest = max(longest, 2 * np.float64(into.half_norms[i, c]))
            largest = max(largest, square)
    longest, largest = np.sqrt(longest), np.sqrt(largest)
    into.margin[:] = _NEVER, 0, 0
    if not (s > 0 and longest < np.inf and largest < _CENTROID):
        # Numbers beyond float32 or the scale, or none: all is left to the plain product.
        return
    # The plain product errs by less than d + 4 units of the largest partial sum, |c|^2 / 2 + |c| |x|.
    shift_norm = 0.0
    for f in range(d):
        shift_norm += np.float64(into.shift[f]) ** 2
    units = s * (d + 4) * _UNIT * longest
    plain = units * s * (longest / 2 + np.sqrt(shift_norm)) + s * s * (d + 4) * _SMALLEST
    # Twice, once for each of the two scores. The low bits are given up for the number of the centroid.
    into.margin[0] = 2.01 * (1 + plain + _low_bits(into.norms.shape[1]))
    into.margin[1] = 2.01 * (largest + units) * _STEP
    into.margin[2] = 2.01 * (0.501 * np.sqrt(d) + units)


@compiled
def _low_bits(k):  # type: ignore[no-untyped-def]
    """The bits that hold a number below k."""
    mask = 1
    while mask < k - 1:
        mask = 2 * mask + 1
    return mask


@compiled
def label_jets(rows, index, centroids, labels):  # type: ignore[no-untyped-def]
    """Nearest centroid of each of n jets by every clustering, the lowest of equals.

    Parameters
    ----------
    rows, index
        From `round_jets` with the shift and scale of the centroids, and which of them, shape (n,), int64.
    centroids
        Of m clusterings.
    labels
        Result, shape (m, n + WIDE at least), int32; -1 for a jet without a finite score.
    """
    n, d = len(index), centroids.rounded.shape[2]
    start = first_feature(d)
    n_tiles = (n + WIDE - 1) // WIDE
    tiles = np.empty((n_tiles, start, WIDE, 2), np.int16)
    margins = np.empty((n_tiles, WIDE), np.int32)
    least, by_error, by_norm = centroids.margin[0], centroids.margin[1], centroids.margin[2]
    for t in range(n_tiles):
        tile, margin = tiles[t], margins[t]
        for first in range(0, WIDE, LANES):
            gather_tile(rows, index, t * WIDE + first, tile)
        for j in range(WIDE):
            norm, error = tile[-1, j, 0], tile[-1, j, 1]
            wide = least + by_error * error + by_norm * norm
            margin[j] = np.int32(wide if norm >= 0 and wide < _NEVER else _NEVER)
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
                row = index[doubtful[some + j]]
                for f in range(d):
                    tile[f, j] = rows[row, start + f]
            nearest_in_tile(tile, centroids.rounded[m], centroids.half_norms[m], score, chosen)
            for j in range(lanes):
                mine[doubtful[some + j]] = chosen[j] if -np.inf < score[j] < np.inf else -1
