"""Functions by straight pieces: a piece is found by shifting, and its line is loaded."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from n2uqc.passes.program import Constant, Interpolate

from .body import Body, Expr, Place, Value, computing_dtype


def interpolate(op: Interpolate, body: Body, x: Value, place: Place) -> Value:
    """Compute ``round_shift(base[c, i] + slope[c, i] * (t - i * 2**step), shift)``."""
    base, slope = (body.constant(name).values for name in (op.base, op.slope))
    count, (lo, hi) = base.shape[1], x.range
    far = [lo - op.start, hi - op.start, count << op.step, lo, hi, op.start]
    wide = max("int32", computing_dtype(min(far), max(far)), key=_bits)
    distance = x.cast(wide) - tirx.const(op.start, wide)
    piece = tirx.max(distance >> tirx.const(op.step, wide), tirx.const(0, wide))
    piece = tirx.min(piece, tirx.const(count - 1, wide))
    along = distance - (piece << tirx.const(op.step, wide))
    # A first piece may begin far above, a last one far below: no further than the start is.
    half, reach = (1 << op.shift) >> 1, max(map(abs, far))
    most = int(np.abs(base).max()) + int(np.abs(slope).max()) * reach + half + 1
    dtype = "int32" if most < 1 << 31 else "int64"

    def line(hint: str, values: np.ndarray) -> Expr:
        memory = Constant.narrow(values)
        kind = next(w for w in (8, 16, 32, 64) if w >= memory.bits + (memory.encoding == "u"))
        rows = values.astype(f"int{kind}")
        index = piece.astype("int32")
        if len(rows) == 1:
            return body.table(hint, rows[0])(index).astype(dtype)
        return body.table(hint, rows[body.slots])(place.slot, index).astype(dtype)

    total = line("base", base) + line("slope", slope) * along.astype(dtype)
    if op.shift:
        total = body.bind(total)
        away = total >> tirx.const(_bits(dtype) - 1, dtype)  # -1 below zero
        total = total + tirx.const(half, dtype) + away >> tirx.const(op.shift, dtype)
    return body.value(op.output, total)


def _bits(dtype: str) -> int:
    return int(dtype[3:])
