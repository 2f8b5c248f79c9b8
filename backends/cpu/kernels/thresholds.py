"""Comparison tables, vectorized over channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.ir import Call, PointerType, PrimType

from n2uqc.passes.program import Thresholds

from .body import Body, Expr, Place, Value, computing_dtype
from .search import SHORTEST, search_function, search_name, searched
from .steps import ComparisonCounts, Ends, steps

_LEAST, _MOST = -(1 << 15), (1 << 15) - 1


def thresholds(op: Thresholds, body: Body, x: Value, place: Place) -> Value:
    """Compute ``base[c] + sum_k sign[c, k] * (x > bound[c, k])``, every level compared.

    Comparisons where codes rise are counted, and those where codes fall, which few channels have
    besides.
    """
    bounds, signs, base = (body.constant(t).values for t in (op.bounds, op.signs, op.base))
    x, offset = body.without_offset(x)
    if offset is not None:
        bounds = bounds - offset[:, None]
    table = steps(bounds, signs, base, Ends(x.lo, x.hi))
    if table.flip.any():
        ends = (*x.range, *(-end - 1 for end in x.range))
        dtype = computing_dtype(min(ends), max(ends))
        x = Value(x.cast(dtype) ^ body.row("flip", table.flip, dtype)(place.slot), *table.y)
    if computing_dtype(x.range[0] - 1, x.range[1]) == "int16":
        table = table.without_base()
    rises = table.ups.shape[1]
    both = np.concatenate([table.ups, table.downs], axis=1)
    compared, wide, bounds = _narrowed(body, x, both, place)
    if body.vectors.scalar:
        table = replace(table, ups=bounds[:, :rises], downs=bounds[:, rises:])
        return body.value(op.output, _counted(body, compared, wide, table, place))
    shifted = body.vectors.has("neon") and wide in ("int16", "int32")
    narrow = wide if shifted else _summing(op, bounds.shape[1])
    compared = body.bind(compared)

    def count(columns: NDArray[np.int64]) -> Expr:
        total = tirx.const(0, narrow)
        for k in range(columns.shape[1]):
            bound = body.row("bound", columns[:, k], wide)(place.slot)
            if shifted:
                total = total + _passed(bound, compared, wide)
            else:
                total = total + (compared > bound).astype(narrow)
        return total

    code = count(bounds[:, :rises])
    if table.downs.size:
        code = code - count(bounds[:, rises:])
    if table.base.any():
        code = code + body.row("base", table.base, narrow)(place.slot)
    return body.value(op.output, code)


def _counted(body: Body, x: Expr, stored: str, table: ComparisonCounts, place: Place) -> Expr:
    """Count passed bounds in general registers: by search, or one after the other if few.

    Args:
        body: the kernel.
        x: the numbers to compare.
        stored: dtype in which bounds lie in memory.
        table: the bounds, and what the counts are added to.
        place: in the map.
    """
    wide = "int64" if stored == "int64" else "int32"
    x = body.bind(x.astype(wide))

    def count(bounds: NDArray[np.int64]) -> Expr:
        if bounds.shape[1] < SHORTEST:
            total = tirx.const(0, "int32")
            for k in range(bounds.shape[1]):
                bound = body.row("bound", bounds[:, k], stored)(place.slot)
                total = total + (x > bound.astype(wide)).astype("int32")
            return total
        rows, steps = searched(bounds, stored)
        stage = body.table("bounds", rows[body.slots])
        body.imported.add(search_function(stored, steps, body.vectors.has("slt")))
        pointer = PointerType(PrimType(stored))
        first = Call("tirx.address_of", [stage(place.slot, 0)], ret_ty=pointer)
        return tirx.call_extern("int32", search_name(stored, steps), x, first)

    code: Expr = count(table.ups)
    if table.downs.size:
        code = code - count(table.downs)
    if table.base.any():
        code = code + body.row("base", table.base, "int32")(place.slot)
    return code


def _summing(op: Thresholds, levels: int) -> str:
    """Return the narrowest type in which codes are summed up."""
    if levels < 64 and op.bits < 7:
        return "int8"
    return computing_dtype(levels << 1, 1 << op.bits)


def _narrowed(
    body: Body, x: Value, bounds: NDArray[np.int64], place: Place
) -> tuple[Expr, str, NDArray[np.int64]]:
    """Return the numbers to compare, their dtype, and the bounds for them.

    16 bits are enough where the acting bounds of a channel lie together: numbers that are far
    from them may be clamped.
    """
    lo, hi = x.range
    wide = computing_dtype(lo - 1, hi)
    acts = bounds < x.hi[:, None]
    least = np.where(acts, bounds, hi).min(axis=1, initial=hi)
    greatest = np.where(acts, bounds, lo).max(axis=1, initial=lo)
    reached = (least >= _LEAST) & (greatest < _MOST) | ~acts.any(axis=1)
    # No number is above the greatest: the bounds get one value less above the middle than below.
    middle = np.where(reached, 0, (least + greatest) // 2 + 1)
    if (
        wide != "int32"
        or ((greatest - least)[~reached] >= _MOST - _LEAST).any()
        or (computing_dtype(lo - int(middle.max()), hi - int(middle.min())) != "int32")
    ):
        return x.cast(wide), wide, bounds
    moved = x.cast(wide)
    if middle.any():
        moved = moved - body.row("middle", middle, wide)(place.slot)
    least_number, most_number = (tirx.const(end, wide) for end in (_LEAST, _MOST))
    clamped = tirx.min(tirx.max(moved, least_number), most_number).astype("int16")
    return clamped, "int16", np.where(acts, bounds - middle[:, None], _MOST)


def _passed(bound: Expr, x: Expr, dtype: str) -> Expr:
    """Compute ``x > bound`` as a number: the sign of the difference, which saturates.

    NEON shifts it down and adds it up in one instruction.  Comparing instead, LLVM counts in bytes,
    and converts the outcome of each comparison.
    """
    difference = tirx.call_llvm_pure_intrin(dtype, "llvm.ssub.sat", bound, x)
    bits = f"u{dtype}"
    sign = tirx.reinterpret(bits, difference) >> tirx.const(int(dtype[3:]) - 1, bits)
    return sign.astype(dtype)
