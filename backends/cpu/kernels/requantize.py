"""Requantization: multiply, add, shift with rounding, clamp."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from n2uqc.passes.program import Clamp, Requantize
from n2uqc.passes.program.rounding import fits_int64

from .body import Body, Expr, Place, Value, computing_dtype
from .rounding import SplitProduct, lifted, split, with_half


def requantize(op: Requantize, body: Body, x: Value, place: Place) -> Value:
    """Compute ``clamp(round_shift(x * multiplier[c] + bias[c], shift[c]), lo, hi)``."""
    multiplier, bias, shift = (
        body.constant(name).values for name in (op.multiplier, op.bias, op.shift)
    )
    x, offset = body.without_offset(x)
    lo, hi, m, b = (row.astype(object) for row in (x.lo, x.hi, multiplier, bias))
    if offset is not None:
        b = (b + offset * m).astype(object)
    if not fits_int64(*(lo * m), *(hi * m)):
        # Only the sum is sure to fit: measured from the middle of the range, both parts do.
        middle = (lo + hi) // 2
        lo, hi, b = lo - middle, hi - middle, b + middle * m
        origin = body.row("middle", middle.astype(np.int64), "int64")(place.slot)
        x = Value(x.cast("int64") - origin, lo.astype(np.int64), hi.astype(np.int64))
    shifts = shift.astype(object)
    bias, turning = with_half(lo, hi, m, b, shifts, _above_zero(op, body))
    sums = np.stack([lo * m, hi * m]) + bias
    reached = sums >> shifts
    ends = reached.min() - 1, reached.max()
    parts, turns = None, turning
    if not _fits_int32(sums, lo * m, hi * m, bias, x):
        parts = split(lo, hi, m, bias, shifts)
        if parts is None:
            up = lifted(m, shifts)
            raised, turns = with_half(lo, hi, m << up, b << up, shifts + up, _above_zero(op, body))
            parts = split(lo, hi, m << up, raised, shifts + up)
    if parts is not None:
        rounded = _in_parts(body, parts, x.cast("int32"), turns, place)
        return clamped(body, op.output, rounded, "int32", ends, (op.lo, op.hi))
    half = np.array([(1 << s) >> 1 for s in shift.tolist()], dtype=object)
    most = [
        *(lo * m),
        *(hi * m),
        *sums.ravel(),
        *(sums - half).ravel(),
        *(sums - 1).ravel(),
        *bias,
        *x.range,
    ]
    dtype = computing_dtype(*most)
    dtype = "int32" if dtype == "int16" else dtype  # 16-bit lanes would need the factors widened
    factor = body.row("multiplier", multiplier, "int32")(place.slot)
    total = x.cast(dtype) * factor.astype(dtype)
    total = total + body.row("bias", bias.astype(np.int64), dtype)(place.slot)
    if turning:
        total = body.bind(total)
        below = total - body.row("half", half.astype(np.int64), dtype)(place.slot)
        below = below >> tirx.const(int(dtype[3:]) - 1, dtype)
        if not shift.all():
            below = below & body.row("rounds", np.where(shift > 0, -1, 0), dtype)(place.slot)
        total = total + below
    if shift.any():
        total = total >> body.row("shift", shift, dtype)(place.slot)
    return clamped(body, op.output, total, dtype, ends, (op.lo, op.hi))


def _above_zero(op: Requantize, body: Body) -> bool:
    """Tell whether the clamp maps all negative results to 0."""
    behind = [then for then in body.group.ops if op.output in then.inputs]
    return op.lo >= 0 or (len(behind) == 1 and isinstance(behind[0], Clamp) and behind[0].lo >= 0)


def _fits_int32(*numbers: Any) -> bool:
    """Tell whether plain arithmetic on 32 bits is enough."""
    ends = [
        end
        for n in numbers
        for end in (n.range if isinstance(n, Value) else (min(n.ravel()) - 1, max(n.ravel())))
    ]
    return computing_dtype(*ends) != "int64"


def _in_parts(body: Body, parts: SplitProduct, x: Expr, turning: bool, place: Place) -> Expr:
    """Compute the shifted sum from two products of 32 bits."""

    def row(name: str, values: NDArray[np.int64]) -> Expr:
        return body.row(name, values, "int32")(place.slot)

    def shifted(value: Expr, bits: int) -> Expr:
        return value >> tirx.const(bits, "int32")

    lower = x * row("lower_multiplier", parts.m0) + row("lower_bias", parts.b0)
    upper = x * row("upper_multiplier", parts.m1) + row("upper_bias", parts.b1)
    if turning:
        lower, upper = body.bind(lower), body.bind(upper)
        whole = upper + shifted(lower, parts.low)
        lower = lower + shifted(whole - row("turn", parts.turn), 31)
    whole = upper + shifted(lower, parts.low)
    return whole >> row("rest", parts.rest) if parts.rest.any() else whole


def clamped(
    body: Body,
    output: str,
    expr: Expr,
    dtype: str,
    reached: tuple[int, int],
    bounds: tuple[int, int],
) -> Value:
    """Clamp to ``[lo, hi]`` where the reached range needs it, in the result's own type."""
    acting = [
        b
        for b, acts in zip(bounds, (reached[0] < bounds[0], reached[1] > bounds[1]), strict=True)
        if acts
    ]
    wide = max(dtype, computing_dtype(*acting, 0))
    expr = expr if wide == dtype else expr.astype(wide)
    if reached[0] < bounds[0]:
        expr = tirx.max(expr, tirx.const(bounds[0], wide))
    if reached[1] > bounds[1]:
        expr = tirx.min(expr, tirx.const(bounds[1], wide))
    result = body.value(output, expr)
    return replace(result, expr=result.cast(computing_dtype(*result.range)))
