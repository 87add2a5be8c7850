"""The innermost loop of k-means, written in the compiler's own language: the nearest centroids of 16 jets.

A compiler does not keep the sums of several centroids in registers when the loops are written in Python, and then
spends most of the time on loading and storing them. Here they stay there, which makes it as fast as the matrix
product of a BLAS. Every sum still runs over the features one by one, with one rounding for each product and each
difference: without fused multiply-add the bits are those of IEEE arithmetic, the same on every processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hepcs.searches.cluster_scanning.kmeans.vectors import (
    INTEGER,
    IS_COMPILED,
    LANES,
    LONG,
    VECTOR,
    arrays_of,
    chunk_of,
    positions,
    splat,
    transposed,
    vector_at,
)

# Jets of a block of the seeding: eight registers.
BLOCK = 128
# Centroids whose sums are kept in registers together; their number is padded to a multiple.
GROUP = 4

_FLOAT_BYTES = 4


def _nearest_in_tile(
    _typing: Any, tile: Any, centres: Any, half_norms: Any, best: Any, chosen: Any
) -> tuple[Any, Any]:
    """The nearest centroid of each jet of a tile, the lowest of equals, and its score |c|^2 / 2 - x.c.

    For compiled code; all arrays are float32, contiguous, and trusted:

    ==============  =============================================================================================
    ``tile``        features by jet, shape (d, LANES)
    ``centres``     shape (k, d), k a multiple of GROUP
    ``half_norms``  |c|^2 / 2, shape (k,); infinite for centroids that only pad
    ``best``        result, shape (LANES,): the least score; infinite if none is finite
    ``chosen``      result, shape (LANES,): the centroid as a float32, of the width of the scores
    ==============  =============================================================================================
    """
    signature = types.void(tile, centres, half_norms, best, chosen)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tiles, rows, norms, least, nearest = arrays_of(context, builder, signature, arguments)
        integer = ir.IntType(64)
        k, d = (builder.extract_value(rows.shape, axis) for axis in range(2))

        def variable(value: float = 0.0) -> Any:
            allocate: Any = cgutils.alloca_once_value  # numba carries no types
            return allocate(builder, ir.Constant(VECTOR, [value] * LANES))

        def update(place: Any, value: Any) -> None:
            builder.store(value, place)

        best_score, best_index = variable(float("inf")), variable(0.0)
        scores = [variable() for _ in range(GROUP)]
        with cgutils.for_range_slice(builder, integer(0), k, integer(GROUP), inc=True) as (first, _):
            members = [builder.add(first, integer(c)) for c in range(GROUP)]
            starts = [builder.mul(member, d) for member in members]
            for score, member in zip(scores, members, strict=True):
                update(score, splat(builder, builder.load(builder.gep(norms.data, [member]))))
            with cgutils.for_range(builder, d) as loop:
                jets = builder.load(
                    vector_at(builder, tiles, builder.mul(loop.index, integer(LANES)), VECTOR),
                    align=_FLOAT_BYTES,
                )
                for score, start in zip(scores, starts, strict=True):
                    position = builder.gep(rows.data, [builder.add(start, loop.index)])
                    product = builder.fmul(splat(builder, builder.load(position)), jets)
                    update(score, builder.fsub(builder.load(score), product))
            for score, member in zip(scores, members, strict=True):
                new, old = builder.load(score), builder.load(best_score)
                nearer = builder.fcmp_ordered("<", new, old)
                index = splat(builder, builder.sitofp(member, ir.FloatType()))
                update(best_score, builder.select(nearer, new, old))
                update(best_index, builder.select(nearer, index, builder.load(best_index)))
        for value, result in ((best_score, least), (best_index, nearest)):
            place = vector_at(builder, result, integer(0), VECTOR)
            builder.store(builder.load(value), place, align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return signature, generate


def nearest_by_numpy(tile: Any, centres: Any, half_norms: Any, best: Any, chosen: Any) -> None:
    """The same to the last bit, for code that is not compiled (NUMBA_DISABLE_JIT)."""
    scores = np.repeat(half_norms[:, np.newaxis], LANES, axis=1)
    for feature, values in zip(centres.T, tile, strict=True):
        scores -= feature[:, np.newaxis] * values
    scores[np.isnan(scores)] = np.inf
    chosen[:], best[:] = scores.argmin(axis=0), scores.min(axis=0)


def _scores(
    _typing: Any,
    x: Any,
    index: Any,
    start: Any,
    first: Any,
    labels: Any,
    centres: Any,
    half_norms: Any,
    scores: Any,
) -> tuple[Any, Any]:
    """The score of LANES jets with the centroids of their labels, |c|^2 / 2 - x.c, as `nearest_in_tile` has it.

    ==============  =============================================================================================
    ``x, index``    jets, shape (N, d), float32, and which, int64
    ``start``       the first jet of the index that has a label
    ``first``       the first of those that are wanted
    ``labels``      int32
    ``centres``     shape (k, d), float32, and ``half_norms``, shape (k,)
    ``scores``      result, shape (LANES,), float32
    ==============  =============================================================================================
    """
    signature = types.void(x, index, start, first, labels, centres, half_norms, scores)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        jets, index, start, first, labels, centres, norms, scores = arrays_of(
            context, builder, signature, arguments
        )
        d = builder.extract_value(jets.shape, 1)
        chunks = builder.sdiv(builder.add(d, LONG(LANES - 1)), LONG(LANES))
        places = positions(builder, index, builder.add(start, first))
        rows = [builder.load(builder.gep(index.data, [one])) for one in places]
        labelled = [builder.gep(labels.data, [builder.sub(one, start)]) for one in places]
        numbers = [builder.sext(builder.load(one), LONG) for one in labelled]
        sums: Any = ir.Constant(VECTOR, ir.Undefined)
        for lane, number in enumerate(numbers):
            sums = builder.insert_element(
                sums, builder.load(builder.gep(norms.data, [number])), INTEGER(lane)
            )
        allocate: Any = cgutils.alloca_once_value  # numba carries no types
        total = allocate(builder, sums)
        builder.store(sums, total)
        with cgutils.for_range(builder, chunks) as loop:
            feature = builder.mul(loop.index, LONG(LANES))
            products = [
                builder.fmul(
                    chunk_of(builder, jets, row, feature, d), chunk_of(builder, centres, number, feature, d)
                )
                for row, number in zip(rows, numbers, strict=True)
            ]
            # Beyond the last feature zero is subtracted, which changes nothing.
            for product in transposed(builder, products):
                builder.store(builder.fsub(builder.load(total), product), total)
        builder.store(builder.load(total), vector_at(builder, scores, LONG(0), VECTOR), align=4)
        return context.get_dummy_value()

    return signature, generate


def scores_by_numpy(
    x: Any, index: Any, start: int, first: int, labels: Any, centres: Any, half_norms: Any, scores: Any
) -> None:
    """The same to the last bit, for code that is not compiled."""
    places = np.minimum(np.arange(start + first, start + first + LANES), len(index) - 1)
    own = labels[places - start]
    scores[:] = half_norms[own]
    for jet, centre in zip(x[index[places]].T, centres[own].T, strict=True):
        scores -= jet * centre


def _add_up(
    _typing: Any, x: Any, index: Any, first: Any, n: Any, labels: Any, sums: Any, squares: Any
) -> tuple[Any, Any]:
    """Add jets to the sums of their labels, and their squares to those of all, one jet after the other.

    ===========  ================================================================================================
    ``x``        jets, shape (N, d), float32
    ``index``    which, int64; n of them from `first` on
    ``labels``   of those n, int32
    ``sums``     result, shape (k, padded d), float64, d padded to a multiple of LANES
    ``squares``  result, shape (padded d,), float64
    ===========  ================================================================================================
    """
    signature = types.void(x, index, first, n, labels, sums, squares)
    vector = ir.VectorType(ir.DoubleType(), LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        jets, index, first, n, labels, sums, squares = arrays_of(context, builder, signature, arguments)
        d = builder.extract_value(jets.shape, 1)
        chunks = builder.sdiv(builder.add(d, LONG(LANES - 1)), LONG(LANES))
        padded = builder.mul(chunks, LONG(LANES))
        allocate: Any = cgutils.alloca_once_value  # numba carries no types
        total = allocate(builder, ir.Constant(vector, [0.0] * LANES))
        with cgutils.for_range(builder, chunks) as chunk:
            start = builder.mul(chunk.index, LONG(LANES))
            place = vector_at(builder, squares, start, vector)
            builder.store(builder.load(place, align=8), total)
            with cgutils.for_range(builder, n) as loop:
                row = builder.load(builder.gep(index.data, [builder.add(first, loop.index)]))
                value = builder.fpext(chunk_of(builder, jets, row, start, d), vector)
                label = builder.sext(builder.load(builder.gep(labels.data, [loop.index])), LONG)
                mine = vector_at(builder, sums, builder.add(builder.mul(label, padded), start), vector)
                builder.store(builder.fadd(builder.load(mine, align=8), value), mine, align=8)
                builder.store(builder.fadd(builder.load(total), builder.fmul(value, value)), total)
            builder.store(builder.load(total), place, align=8)
        return context.get_dummy_value()

    return signature, generate


def add_up_by_numpy(x: Any, index: Any, first: int, n: int, labels: Any, sums: Any, squares: Any) -> None:
    """The same to the last bit, for code that is not compiled."""
    d = x.shape[1]
    for row, label in zip(index[first : first + n], labels[:n], strict=True):
        jet = x[row].astype(np.float64)
        sums[label, :d] += jet
        squares[:d] += jet * jet


def _block_distances(_typing: Any, block: Any, point: Any, result: Any) -> tuple[Any, Any]:
    """Squared distances of the jets of a block, shape (d, BLOCK), to a point, shape (d,): shape (BLOCK,)."""
    signature = types.void(block, point, result)
    vector = ir.VectorType(ir.FloatType(), BLOCK)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, point, result = arrays_of(context, builder, signature, arguments)
        allocate: Any = cgutils.alloca_once_value  # numba carries no types
        total = allocate(builder, ir.Constant(vector, [0.0] * BLOCK))
        builder.store(ir.Constant(vector, [0.0] * BLOCK), total)
        with cgutils.for_range(builder, builder.extract_value(block.shape, 0)) as loop:
            offset = builder.mul(loop.index, LONG(BLOCK))
            jets = builder.load(vector_at(builder, block, offset, vector), align=4)
            feature = splat(builder, builder.load(builder.gep(point.data, [loop.index])), BLOCK)
            difference = builder.fsub(jets, feature)
            square = builder.fmul(difference, difference)
            builder.store(builder.fadd(builder.load(total), square), total)
        builder.store(builder.load(total), vector_at(builder, result, LONG(0), vector), align=4)
        return context.get_dummy_value()

    return signature, generate


def block_distances_by_numpy(block: Any, point: Any, result: Any) -> None:
    """The same to the last bit, for code that is not compiled."""
    result[:] = 0
    for jets, feature in zip(block, point, strict=True):
        result += np.square(jets - feature)


nearest_in_tile: Any = intrinsic(_nearest_in_tile) if IS_COMPILED else nearest_by_numpy
scores_of: Any = intrinsic(_scores) if IS_COMPILED else scores_by_numpy
add_up: Any = intrinsic(_add_up) if IS_COMPILED else add_up_by_numpy
block_distances: Any = intrinsic(_block_distances) if IS_COMPILED else block_distances_by_numpy
