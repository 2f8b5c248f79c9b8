"""Comparison tables, vectorised over channels."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from n2uqc.passes.program import Thresholds

from .base import Body, Place, Value, computing_dtype


def thresholds(op: Thresholds, body: Body, x: Value, place: Place) -> Value:
    """``base[c] + sum_k sign[c, k] * (x > bound[c, k])``, every level compared.

    Three forms, by what the table needs: a plain count; one sign for each channel; one for each
    step.  Codes are summed in bytes where their range allows it.
    """
    bounds, signs = body.constant(op.bounds).values, body.constant(op.signs).values
    base = body.constant(op.base).values
    lo, hi = x.range
    # A bound outside the range decides like the nearest one just at its end.
    bounds = np.clip(bounds, lo - 1, hi)
    wide = computing_dtype(lo - 1, hi)
    narrow = "int8" if bounds.shape[1] < 64 and op.bits < 7 else computing_dtype(
        -(bounds.shape[1] << 1), max(bounds.shape[1] << 1, 1 << op.bits)
    )
    compared = body.bind(x.cast(wide))
    count, zero = tirx.const(0, narrow), tirx.const(0, narrow)
    by_channel = bool((signs == signs[:, :1]).all()) if signs.shape[1] else True
    for k in range(bounds.shape[1]):
        row = bounds[:, k]
        # What is decided beforehand is left out: TVM fails to fold a vector of truth values.
        if (row >= hi).all():
            continue
        sign = tirx.const(1, narrow)
        if not by_channel:
            sign = body.row("sign", signs[:, k], narrow)(place.slot)
        if (row < lo).all():
            count = count + sign
        else:
            above = compared > body.row("bound", row, wide)(place.slot)
            count = count + (above.astype(narrow) if by_channel else tirx.Select(above, sign, zero))
    if by_channel and signs.shape[1] and not (signs == 1).all():
        count = count * body.row("sign", signs[:, 0], narrow)(place.slot)
    if base.any():
        count = count + body.row("base", base, narrow)(place.slot)
    return body.value(op.output, count)
