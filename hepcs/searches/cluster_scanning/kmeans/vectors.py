"""Vectors in the compiler's own language, for the innermost loops of k-means."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

# Bytes of a line of the cache.
LINE = 64
# Jets of a tile: one AVX-512 register, or two of AVX2.
LANES = 16
#: Whether functions are compiled; NUMBA_DISABLE_JIT forbids it.
IS_COMPILED = not getattr(config, "DISABLE_JIT", False)  # numba sets its names at run time

INTEGER, HALF, LONG = ir.IntType(32), ir.IntType(16), ir.IntType(64)
VECTOR = ir.VectorType(ir.FloatType(), LANES)
WHOLE = ir.VectorType(INTEGER, LANES)


def chosen_lanes(builder: Any, vector: Any, lanes: list[int], other: Any = None) -> Any:
    """Some lanes of a vector, or of two one after the other."""
    order = ir.Constant(ir.VectorType(INTEGER, len(lanes)), lanes)
    undefined = ir.Constant(vector.type, ir.Undefined)
    return builder.shuffle_vector(vector, undefined if other is None else other, order)


def splat(builder: Any, scalar: Any, lanes: int = LANES) -> Any:
    """The same number in all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    single = builder.insert_element(undefined, scalar, INTEGER(0))
    return chosen_lanes(builder, single, [0] * lanes)


def arrays_of(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, arrays as structures."""
    return [
        context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """A function of the compiler's, by its name."""
    insert: Any = cgutils.get_or_insert_function  # numba carries no types
    return insert(builder.module, ir.FunctionType(result, arguments), name)


def vector_at(builder: Any, array: Any, offset: Any, kind: Any) -> Any:
    """Pointer to a vector that begins so many elements after an array does."""
    return builder.bitcast(builder.gep(array.data, [offset]), kind.as_pointer())


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """LANES vectors of LANES numbers each, transposed by perfect shuffles."""
    half = LANES // 2
    orders = [
        [lane + LANES * side for lane in range(start, start + half) for side in (0, 1)] for start in (0, half)
    ]
    for _ in range(LANES.bit_length() - 1):
        rows = [chosen_lanes(builder, rows[i // 2], orders[i % 2], rows[i // 2 + half]) for i in range(LANES)]
    return rows


def place_of(builder: Any, rows: Any, row: Any, start: Any) -> Any:
    """Pointer to the features of a row from one on."""
    offset = builder.mul(row, builder.extract_value(rows.strides, 0))
    place = builder.gep(builder.bitcast(rows.data, ir.IntType(8).as_pointer()), [offset])
    place = builder.gep(builder.bitcast(place, ir.FloatType().as_pointer()), [start])
    return builder.bitcast(place, VECTOR.as_pointer())


def _prefetch(_typing: Any, rows: Any, row: Any) -> tuple[Any, Any]:
    """Ask for a row of an array of shape (n, d), and do not wait for it."""
    signature = types.void(rows, row)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, row = arrays_of(context, builder, signature, arguments)
        length = builder.extract_value(rows.strides, 0)
        byte = ir.IntType(8).as_pointer()
        start = builder.gep(builder.bitcast(rows.data, byte), [builder.mul(row, length)])
        ask = function(builder, "llvm.prefetch.p0", ir.VoidType(), [byte, INTEGER, INTEGER, INTEGER])
        with cgutils.for_range_slice(builder, LONG(0), length, LONG(LINE), inc=True) as (offset, _):
            builder.call(ask, [builder.gep(start, [offset]), INTEGER(0), INTEGER(3), INTEGER(1)])
        return context.get_dummy_value()

    return signature, generate


def chunk_of(builder: Any, rows: Any, row: Any, start: Any, d: Any) -> Any:
    """LANES features of a row of an array from one on; zero beyond the last."""
    iota = ir.Constant(ir.VectorType(LONG, LANES), list(range(LANES)))
    inside = builder.icmp_signed("<", iota, splat(builder, builder.sub(d, start)))
    place = place_of(builder, rows, row, start)
    load = function(
        builder, f"llvm.masked.load.v{LANES}f32.p0", VECTOR, [place.type, INTEGER, inside.type, VECTOR]
    )
    return builder.call(load, [place, INTEGER(4), inside, ir.Constant(VECTOR, [0.0] * LANES)])


def positions(builder: Any, index: Any, first: Any) -> list[Any]:
    """LANES places of an index from one on; the last one in place of those beyond it."""
    last = builder.sub(builder.extract_value(index.shape, 0), LONG(1))
    places = [builder.add(first, LONG(lane)) for lane in range(LANES)]
    return [builder.select(builder.icmp_signed("<", place, last), place, last) for place in places]


def _no_prefetch(_rows: Any, _row: Any) -> None:
    """For code that is not compiled."""


prefetch: Any = intrinsic(_prefetch) if IS_COMPILED else _no_prefetch
