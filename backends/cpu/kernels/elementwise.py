"""Sum and product of streams, clamping, PReLU; and the table of all elementwise steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from n2uqc.passes.program import (
    Add,
    Clamp,
    Flatten,
    Interpolate,
    Lookup,
    Multiply,
    Op,
    PRelu,
    Requantize,
    Thresholds,
)

from .body import Body, Expr, Place, Step, Value, computing_dtype
from .interpolate import interpolate
from .requantize import clamped, requantize
from .thresholds import thresholds

INT64 = (1 << 63) - 1
_PART = 31  # bits of a number's lower part, which is a positive number of 32 bits
LONGEST_SUM = 16  # entries of a lookup table that are summed up in registers, not loaded


def add(op: Add, body: Body, x: Value, place: Place) -> Value:
    """Compute ``x1 + x2``; one of the two comes from registers if this kernel computed it."""
    y, dtype = _second(op, body, x, place)
    return body.value(op.output, x.cast(dtype) + y.cast(dtype))


def multiply(op: Multiply, body: Body, x: Value, place: Place) -> Value:
    """Compute ``x1 * x2``, as ``add`` does a sum; the smaller operand is never in registers."""
    y, dtype = _second(op, body, x, place)
    return body.value(op.output, x.cast(dtype) * y.cast(dtype))


def _second(op: Op, body: Body, x: Value, place: Place) -> tuple[Value, str]:
    """Return the operand that is not in registers, and the type to compute in."""
    other = [name for name in op.inputs if name in body.group.inputs][-1]
    y = body.value(other, place.read(other))
    ranges = [*x.range, *y.range, *body.value(op.output, None).range]
    return y, computing_dtype(*ranges)


def clamp(op: Clamp, body: Body, x: Value, place: Place) -> Value:
    """Compute ``min(max(x, lo), hi)``."""
    dtype = computing_dtype(*x.range)
    return clamped(body, op.output, x.cast(dtype), dtype, x.range, (op.lo, op.hi))


def prelu(op: PRelu, body: Body, x: Value, place: Place) -> Value:
    """Compute ``clamp((x >= 0 ? x : round_shift(x * multiplier[c], shift)) + bias[c], lo, hi)``."""
    slope, bias = body.constant(op.multiplier).values, body.constant(op.bias).values
    lo, hi, m, b = (row.astype(object) for row in (x.lo, x.hi, slope, bias))
    half = (1 << op.shift) >> 1
    product = np.minimum(lo, 0) * m
    bent = (np.abs(product) + half) >> op.shift
    low, high = np.minimum(lo, -bent) + b, np.maximum(hi, bent) + b
    ends = [*low, *high, *bent, *np.abs(b), *x.range]
    dtype = max("int32", computing_dtype(*ends), key=_bits)
    source = body.bind(x.cast(dtype))
    factor = body.row("slope", slope, "int32")(place.slot)
    below = tirx.min(source, tirx.const(0, dtype))
    if max(np.abs(product)) + half < INT64:
        wide = max(dtype, computing_dtype(max([*np.abs(product)]) + half + 1), key=_bits)
        below = below.astype(wide) * factor.astype(wide)
        if op.shift:
            # No product is above zero where the slope is: halves go down there, and up elsewhere.
            rounding = body.row("half", half - (slope > 0), wide)(place.slot)
            below = below + rounding >> tirx.const(op.shift, wide)
    else:
        below = _split_product(body, body.bind(below), factor, slope, op.shift, place)
    # One of the two is zero, and a sum needs no truth values, which TVM fails to fold on vectors.
    chosen = tirx.max(source, tirx.const(0, dtype)) + below.astype(dtype)
    total = chosen + body.row("bias", bias, dtype)(place.slot)
    return clamped(body, op.output, total, dtype, (min(low), max(high)), (op.lo, op.hi))


def _split_product(
    body: Body, x: Expr, factor: Expr, slope: NDArray[np.int64], shift: int, place: Place
) -> Expr:
    """Compute ``round_shift(x * factor, shift)`` where the product needs more than 64 bits.

    ``x = upper * 2**31 + lower``: the upper product is a multiple of ``2**shift``.
    """
    half = (1 << shift) >> 1

    def times(part: Expr) -> Expr:
        return part.astype("int32").astype("int64") * factor.astype("int64")

    lower = times(x & tirx.const((1 << _PART) - 1, "int64"))
    if shift:
        rounding = body.row("half", half - (slope > 0), "int64")(place.slot)
        lower = lower + rounding >> tirx.const(shift, "int64")
    upper = times(x >> tirx.const(_PART, "int64"))
    return (upper << tirx.const(_PART - shift, "int64")) + lower


def _bits(dtype: str) -> int:
    return int(dtype[3:])


def flatten(op: Flatten, body: Body, x: Value, place: Place) -> Value:
    """Return the same number, in a tensor of another shape."""
    return body.value(op.output, x.expr)


def lookup(op: Lookup, body: Body, x: Value, place: Place) -> Value:
    """Compute ``table[x]``: a sum of steps, which stays in registers, or a load for long tables."""
    values = body.constant(op.table).values
    if len(values) > LONGEST_SUM:
        table = body.table("levels", values.astype(body.tensor_type(op.output).container))
        return body.value(op.output, table(x.cast("int32")))
    entries = values.tolist()
    rises = [after - before for before, after in zip(entries, entries[1:], strict=False)]
    dtype = computing_dtype(*entries, *rises)
    code, zero, one = body.bind(x.cast(dtype)), tirx.const(0, dtype), tirx.const(1, dtype)
    level = tirx.const(entries[0], dtype)
    for k, rise in enumerate(rises):
        # [code > k] without a truth value: TVM cannot fold a vector of them to a constant.
        passed = tirx.min(tirx.max(code - tirx.const(k, dtype), zero), one)
        level = level + passed * tirx.const(rise, dtype)
    return body.value(op.output, level)


STEPS: dict[type[Op], Step] = {
    Add: add,
    Clamp: clamp,
    Flatten: flatten,
    Interpolate: interpolate,
    Lookup: lookup,
    Multiply: multiply,
    PRelu: prelu,
    Requantize: requantize,
    Thresholds: thresholds,
}


_TAKE_OFFSETS = (Requantize, Thresholds)


def follow(body: Body, ops: tuple[Op, ...], value: Value, place: Place) -> Value:
    """Compute a group's operations after its first, one after the other, in registers."""
    for op in ops:
        # A lookup comes first in its group; a named number could not stand in a table's index.
        if not isinstance(op, _TAKE_OFFSETS):
            value = body.settled(value, place.slot)
        source = value if isinstance(op, Interpolate | Lookup) else body.bound(value)
        value = STEPS[type(op)](op, body, source, place)
    return body.settled(value, place.slot)
