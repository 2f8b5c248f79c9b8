"""Comparison tables, vectorized over channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from n2uqc.passes.program import Thresholds

from .body import Body, Expr, Place, Value, computing_dtype

_LEAST, _MOST = -(1 << 15), (1 << 15) - 1


def thresholds(op: Thresholds, body: Body, x: Value, place: Place) -> Value:
    """Compute ``base[c] + sum_k sign[c, k] * (x > bound[c, k])``, every level compared.

    Three forms, by what the table needs: a plain count; one sign for each channel; one for each
    step.  Codes are summed in bytes where their range allows it.
    """
    bounds, signs = body.constant(op.bounds).values, body.constant(op.signs).values
    x, offset = body.without_offset(x)
    if offset is not None:
        bounds = bounds - offset[:, None]
    lo, hi = x.range
    # What is passed always belongs to the base; what is passed never is passed by the greatest.
    always = bounds < lo
    base = body.constant(op.base).values + (signs * always).sum(axis=1)
    bounds = np.where(always, hi, np.minimum(bounds, hi))
    acting = (bounds < hi).any(axis=0)
    bounds, signs = bounds[:, acting], signs[:, acting]
    compared, wide, bounds = _narrowed(body, x, bounds, place)
    levels = bounds.shape[1]
    narrow = (
        "int8"
        if levels < 64 and op.bits < 7
        else computing_dtype(-(levels << 1), max(levels << 1, 1 << op.bits))
    )
    by_channel = bool((signs == signs[:, :1]).all()) if levels else True
    shifted = by_channel and body.vectors.has("neon") and wide in ("int16", "int32")
    narrow = wide if shifted else narrow
    compared = body.bind(compared)
    count, zero = tirx.const(0, narrow), tirx.const(0, narrow)
    for k in range(levels):
        bound = body.row("bound", bounds[:, k], wide)(place.slot)
        if shifted:
            count = count + _passed(bound, compared, wide)
        elif by_channel:
            count = count + (compared > bound).astype(narrow)
        else:
            sign = body.row("sign", signs[:, k], narrow)(place.slot)
            count = count + tirx.Select(compared > bound, sign, zero)
    if by_channel and levels and not (signs == 1).all():
        count = count * body.row("sign", signs[:, 0], narrow)(place.slot)
    if base.any():
        count = count + body.row("base", base, narrow)(place.slot)
    return body.value(op.output, count)


def _narrowed(
    body: Body, x: Value, bounds: NDArray[np.int64], place: Place
) -> tuple[Expr, str, NDArray[np.int64]]:
    """Return the numbers to compare, their dtype, and the bounds for them.

    16 bits are enough where the acting bounds of each channel lie together: numbers that are far
    from them may be clamped.
    """
    lo, hi = x.range
    wide = computing_dtype(lo - 1, hi)
    acts = bounds < hi
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
