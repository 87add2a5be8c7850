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
from numba.core import cgutils, config
from numba.extending import intrinsic

# Jets of a tile: one AVX-512 register, or two of AVX2.
LANES = 16
# Centroids whose sums are kept in registers together; their number is padded to a multiple.
GROUP = 4

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FLOAT_BYTES = 4


def _splat(builder: Any, scalar: Any) -> Any:
    """The same number in all lanes."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(single, undefined, first)


def _vector_at(builder: Any, data: Any, offset: Any) -> Any:
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


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
        tiles, rows, norms, least, nearest = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        integer = ir.IntType(64)
        k, d = (builder.extract_value(rows.shape, axis) for axis in range(2))

        def variable(value: float = 0.0) -> Any:
            allocate: Any = cgutils.alloca_once_value  # numba carries no types
            return allocate(builder, ir.Constant(_VECTOR, [value] * LANES))

        def update(place: Any, value: Any) -> None:
            builder.store(value, place)

        best_score, best_index = variable(float("inf")), variable(0.0)
        scores = [variable() for _ in range(GROUP)]
        with cgutils.for_range_slice(builder, integer(0), k, integer(GROUP), inc=True) as (first, _):
            members = [builder.add(first, integer(c)) for c in range(GROUP)]
            starts = [builder.mul(member, d) for member in members]
            for score, member in zip(scores, members, strict=True):
                update(score, _splat(builder, builder.load(builder.gep(norms.data, [member]))))
            with cgutils.for_range(builder, d) as loop:
                jets = builder.load(
                    _vector_at(builder, tiles.data, builder.mul(loop.index, integer(LANES))),
                    align=_FLOAT_BYTES,
                )
                for score, start in zip(scores, starts, strict=True):
                    position = builder.gep(rows.data, [builder.add(start, loop.index)])
                    product = builder.fmul(_splat(builder, builder.load(position)), jets)
                    update(score, builder.fsub(builder.load(score), product))
            for score, member in zip(scores, members, strict=True):
                new, old = builder.load(score), builder.load(best_score)
                nearer = builder.fcmp_ordered("<", new, old)
                index = _splat(builder, builder.sitofp(member, ir.FloatType()))
                update(best_score, builder.select(nearer, new, old))
                update(best_index, builder.select(nearer, index, builder.load(best_index)))
        for value, result in ((best_score, least), (best_index, nearest)):
            place = _vector_at(builder, result.data, integer(0))
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


_is_compiled = not getattr(config, "DISABLE_JIT", False)  # numba sets its names at run time
nearest_in_tile: Any = intrinsic(_nearest_in_tile) if _is_compiled else nearest_by_numpy
