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
    WHOLE,
    arrays_of,
    chosen_lanes,
    function,
    positions,
    splat,
    transposed,
    vector_at,
)

# Jets of a tile of whole numbers: four registers for each of GROUP sums.
WIDE = 64

_SCORES = ir.VectorType(INTEGER, WIDE)
_PAIRS = ir.VectorType(HALF, 2 * WIDE)
_TOP = 2**31 - 1


def _gather_tile(_typing: Any, rows: Any, index: Any, first: Any, tile: Any) -> tuple[Any, Any]:
    """LANES jets of whole numbers, transposed to the pairs of a tile.

    =========  ==================================================================================================
    ``rows``   from `round_jets`, shape (N, words), float32
    ``index``  which, shape (n,), int64; beyond the last one that one again
    ``first``  the first of them; a multiple of LANES
    ``tile``   result, shape (pairs, WIDE, 2), int16, pairs a multiple of LANES, of which LANES columns are written
    =========  ==================================================================================================
    """
    signature = types.void(rows, index, first, tile)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, index, first, tile = arrays_of(context, builder, signature, arguments)
        words = builder.extract_value(rows.shape, 1)
        pairs = builder.extract_value(tile.shape, 0)
        column = builder.mul(builder.urem(first, LONG(WIDE)), LONG(2))
        jets = [builder.load(builder.gep(index.data, [one])) for one in positions(builder, index, first)]
        starts = [builder.mul(jet, words) for jet in jets]
        with cgutils.for_range_slice(builder, LONG(0), pairs, LONG(LANES), inc=True) as (pair, _):
            numbers = [
                builder.load(vector_at(builder, rows, builder.add(start, pair), WHOLE), align=4)
                for start in starts
            ]
            offset = builder.add(builder.mul(pair, LONG(2 * WIDE)), column)
            for number, of_all in enumerate(transposed(builder, numbers)):
                place = builder.add(offset, LONG(2 * WIDE * number))
                builder.store(of_all, vector_at(builder, tile, place, WHOLE), align=2)
        return context.get_dummy_value()

    return signature, generate


def gather_tile_by_numpy(rows: Any, index: Any, first: int, tile: Any) -> None:
    """The same, for code that is not compiled."""
    jets = rows[index[np.minimum(np.arange(first, first + LANES), len(index) - 1)]].view(np.int16)
    lanes = slice(first % WIDE, first % WIDE + LANES)
    tile[:, lanes] = jets[:, : 2 * len(tile)].reshape(LANES, -1, 2).transpose(1, 0, 2)


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
    ``tile``        from `gather_tile`
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


gather_tile: Any = intrinsic(_gather_tile) if IS_COMPILED else gather_tile_by_numpy
label_tile: Any = intrinsic(_label_tile) if IS_COMPILED else label_tile_by_numpy
