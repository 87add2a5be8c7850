"""The innermost loops on jets in whole numbers of 16 bits, written in the compiler's own language.

A processor multiplies and adds two whole numbers in the time of half a product in float32. Jets are read by their
index, 16 at a time, and transposed in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hepcs.searches.cluster_scanning.kmeans.tiles import GROUP
from hepcs.searches.cluster_scanning.kmeans.vectors import (
    HALF,
    INTEGER,
    IS_COMPILED,
    LANES,
    LONG,
    VECTOR,
    WHOLE,
    arrays_of,
    chosen_lanes,
    chunk_of,
    function,
    place_of,
    positions,
    prefetch,
    splat,
    transposed,
    vector_at,
)

# Jets of a tile of whole numbers: four registers for each of GROUP sums.
WIDE = 64
# So many jets later the next ones are needed, which lie far apart in memory.
AHEAD = 512
#: Largest whole number of a feature: what is larger, or no number, becomes this one.
LARGEST = 2**15 - 1

_SCORES = ir.VectorType(INTEGER, WIDE)
_PAIRS = ir.VectorType(HALF, 2 * WIDE)
_TOP = 2**31 - 1


def _round_tile(
    _typing: Any, x: Any, index: Any, first: Any, shift: Any, scale: Any, tile: Any, sums: Any, peaks: Any
) -> tuple[Any, Any]:
    """LANES jets in whole numbers: scale * (x - shift), as half of the pairs of a tile.

    ===============  ============================================================================================
    ``x``            jets, shape (N, d), float32
    ``index``        which, shape (n,), int64
    ``first``        the first of them; a multiple of LANES. Those AHEAD of them are fetched from memory
    ``shift``        shape (padded d,), float32, and ``scale``, float32
    ``tile``         result, shape (padded pairs, WIDE, 2), int16, of which LANES columns are written
    ``sums, peaks``  results, shape (WIDE,), int32: the sum of the sizes of the whole numbers, and the largest
    ===============  ============================================================================================
    """
    signature = types.void(x, index, first, shift, scale, tile, sums, peaks)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        jets, index, first, shift, scale, tile, sums, peaks = arrays_of(
            context, builder, signature, arguments
        )
        d = builder.extract_value(jets.shape, 1)
        chunks = builder.sdiv(builder.add(d, LONG(LANES - 1)), LONG(LANES))
        column = builder.urem(first, LONG(WIDE))
        rows = [builder.load(builder.gep(index.data, [one])) for one in positions(builder, index, first)]
        later = positions(builder, index, builder.add(first, LONG(AHEAD)))
        later = [builder.load(builder.gep(index.data, [one])) for one in later]
        allocate: Any = cgutils.alloca_once_value  # numba carries no types
        nothing = ir.Constant(WHOLE, [0] * LANES)
        total, peak = allocate(builder, nothing), allocate(builder, nothing)
        builder.store(nothing, total)
        builder.store(nothing, peak)
        factor = splat(builder, scale)
        nearest = function(builder, f"llvm.rint.v{LANES}f32", VECTOR, [VECTOR])
        with cgutils.for_range(builder, chunks) as loop:
            start = builder.mul(loop.index, LONG(LANES))
            subtract = builder.load(vector_at(builder, shift, start, VECTOR), align=4)
            for row in later:
                prefetch(builder, place_of(builder, jets, row, start))
            wholes = []
            for row in rows:
                value = builder.fmul(builder.fsub(chunk_of(builder, jets, row, start, d), subtract), factor)
                for comparison, limit in (("<", float(LARGEST)), (">", -float(LARGEST))):
                    bound = ir.Constant(VECTOR, [limit] * LANES)
                    value = builder.select(builder.fcmp_ordered(comparison, value, bound), value, bound)
                wholes.append(builder.fptosi(builder.call(nearest, [value]), WHOLE))
            features = transposed(builder, wholes)
            for feature in features:
                minus = builder.sub(nothing, feature)
                size = builder.select(builder.icmp_signed(">", feature, minus), feature, minus)
                builder.store(builder.add(builder.load(total), size), total)
                most = builder.load(peak)
                builder.store(builder.select(builder.icmp_signed(">", size, most), size, most), peak)
            for pair in range(LANES // 2):
                low = builder.and_(features[2 * pair], ir.Constant(WHOLE, [0xFFFF] * LANES))
                high = builder.shl(features[2 * pair + 1], ir.Constant(WHOLE, [16] * LANES))
                number = builder.add(builder.mul(loop.index, LONG(LANES // 2)), LONG(pair))
                offset = builder.mul(builder.add(builder.mul(number, LONG(WIDE)), column), LONG(2))
                builder.store(builder.or_(low, high), vector_at(builder, tile, offset, WHOLE), align=2)
        for value, result in ((total, sums), (peak, peaks)):
            builder.store(builder.load(value), vector_at(builder, result, column, WHOLE), align=4)
        return context.get_dummy_value()

    return signature, generate


def round_tile_by_numpy(
    x: Any, index: Any, first: int, shift: Any, scale: Any, tile: Any, sums: Any, peaks: Any
) -> None:
    """The same, for code that is not compiled."""
    places = np.minimum(np.arange(first, first + LANES), len(index) - 1)
    d = x.shape[1]
    values = (x[index[places]] - shift[:d]) * np.float32(scale)
    values = np.where(values < LARGEST, values, LARGEST)
    padded = np.zeros((LANES, 2 * len(tile)), dtype=np.int16)
    padded[:, :d] = np.rint(np.where(values > -LARGEST, values, -LARGEST))
    lanes = slice(first % WIDE, first % WIDE + LANES)
    tile[:, lanes] = padded.reshape(LANES, -1, 2).transpose(1, 0, 2)
    sizes = np.abs(padded.astype(np.int32))
    sums[lanes], peaks[lanes] = sizes.sum(axis=1), sizes.max(axis=1)


def _sum_of_pairs(context: Any, builder: Any, one: Any, other: Any) -> Any:
    """Products of neighbours of 16 bits, summed, in 32 bits each."""
    if "+avx2" not in context.codegen().magic_tuple()[2].split(","):
        parts = []
        for first in range(2):
            lanes = list(range(first, 2 * WIDE, 2))
            both = (builder.sext(chosen_lanes(builder, pairs, lanes), _SCORES) for pairs in (one, other))
            parts.append(builder.mul(*both))
        return builder.add(*parts)
    # The compiler does not see this instruction behind the products above. It joins these into longer ones.
    n = 16
    half = ir.VectorType(HALF, n)
    multiply = function(builder, "llvm.x86.avx2.pmadd.wd", ir.VectorType(INTEGER, n // 2), [half, half])
    parts = []
    for first in range(0, 2 * WIDE, n):
        lanes = list(range(first, first + n))
        parts.append(builder.call(multiply, [chosen_lanes(builder, pairs, lanes) for pairs in (one, other)]))
    while len(parts) > 1:
        joined = list(range(2 * parts[0].type.count))
        parts = [chosen_lanes(builder, a, joined, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _label_tile(
    _typing: Any,
    tile: Any,
    centres: Any,
    norms: Any,
    mask: Any,
    margins: Any,
    first: Any,
    labels: Any,
    doubtful: Any,
    n_doubtful: Any,
) -> tuple[Any, Any]:
    """Label the jets of a tile by the least of the scores n - x.c; list those of which the second least is near.

    All arrays are contiguous, and trusted; no sum may leave 32 bits:

    ==============  =============================================================================================
    ``tile``        from `round_tile`
    ``centres``     of *minus* the centroids, shape (k, pairs, 2), int16, k a multiple of GROUP
    ``norms``       n, shape (k,), int32
    ``mask``        the low bits of a score, int64: they are given up for the number of the centroid
    ``margins``     shape (WIDE,), int32
    ``first``       number of the first jet, int64
    ``labels``      result, from `first` on, int32, with room for WIDE
    ``doubtful``    result, int32, with room for WIDE more: numbers of jets of which the scores differ by no more
                    than the margin, from `n_doubtful` on
    ==============  =============================================================================================

    Returns how many are doubtful now.
    """
    signature = types.int64(tile, centres, norms, mask, margins, first, labels, doubtful, n_doubtful)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile, centres, norms, mask, margins, first, labels, doubtful, n_doubtful = arrays_of(
            context, builder, signature, arguments
        )
        k, pairs = (builder.extract_value(centres.shape, axis) for axis in range(2))
        low = splat(builder, builder.trunc(mask, INTEGER), WIDE)
        allocate: Any = cgutils.alloca_once_value  # numba carries no types
        top = ir.Constant(_SCORES, [_TOP] * WIDE)
        least = [allocate(builder, top) for _ in range(2)]
        for place in least:
            builder.store(top, place)
        scores = [allocate(builder, top) for _ in range(GROUP)]
        with cgutils.for_range_slice(builder, LONG(0), k, LONG(GROUP), inc=True) as (start, _):
            members = [builder.add(start, LONG(c)) for c in range(GROUP)]
            for score, member in zip(scores, members, strict=True):
                norm = builder.load(builder.gep(norms.data, [member]))
                builder.store(splat(builder, norm, WIDE), score)
            with cgutils.for_range(builder, pairs) as loop:
                jets = builder.load(
                    vector_at(builder, tile, builder.mul(loop.index, LONG(2 * WIDE)), _PAIRS), align=2
                )
                for score, member in zip(scores, members, strict=True):
                    number = builder.add(builder.mul(member, pairs), loop.index)
                    place = vector_at(builder, centres, builder.mul(number, LONG(2)), INTEGER)
                    pair = builder.bitcast(splat(builder, builder.load(place, align=2), WIDE), _PAIRS)
                    product = _sum_of_pairs(context, builder, jets, pair)
                    builder.store(builder.add(builder.load(score), product), score)
            for score, member in zip(scores, members, strict=True):
                number = splat(builder, builder.trunc(member, INTEGER), WIDE)
                new = builder.or_(builder.and_(builder.load(score), builder.not_(low)), number)
                for place in least:
                    old = builder.load(place)
                    less = builder.icmp_signed("<", new, old)
                    builder.store(builder.select(less, new, old), place)
                    new = builder.select(less, old, new)
        best, second = (builder.load(place) for place in least)
        builder.store(builder.and_(best, low), vector_at(builder, labels, first, _SCORES), align=4)
        margin = builder.load(vector_at(builder, margins, LONG(0), _SCORES), align=4)
        near = builder.icmp_signed("<=", builder.sub(second, best), margin)
        iota = ir.Constant(_SCORES, list(range(WIDE)))
        numbers = builder.add(iota, splat(builder, builder.trunc(first, INTEGER), WIDE))
        place = vector_at(builder, doubtful, n_doubtful, _SCORES)
        append = function(
            builder, f"llvm.masked.compressstore.v{WIDE}i32", ir.VoidType(), [_SCORES, place.type, near.type]
        )
        builder.call(append, [numbers, place, near])
        return builder.add(n_doubtful, builder.ctpop(builder.bitcast(near, ir.IntType(WIDE))))

    return signature, generate


def label_tile_by_numpy(
    tile: Any,
    centres: Any,
    norms: Any,
    mask: int,
    margins: Any,
    first: int,
    labels: Any,
    doubtful: Any,
    n_doubtful: int,
) -> int:
    """The same, for code that is not compiled."""
    pairs = centres.shape[1]
    products = np.einsum("pji,kpi->kj", tile[:pairs].astype(np.int64), centres.astype(np.int64))
    scores = (norms[:, np.newaxis] + products) & ~mask | np.arange(len(norms))[:, np.newaxis]
    best, second = np.partition(scores, 1, axis=0)[:2]
    labels[first : first + WIDE] = best & mask
    near = first + np.flatnonzero(second - best <= margins)
    doubtful[n_doubtful : n_doubtful + len(near)] = near
    return n_doubtful + len(near)


round_tile: Any = intrinsic(_round_tile) if IS_COMPILED else round_tile_by_numpy
label_tile: Any = intrinsic(_label_tile) if IS_COMPILED else label_tile_by_numpy
