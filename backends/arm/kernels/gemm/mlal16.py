"""16-bit factors, 32-bit sums: AArch64 ``SMLAL`` and ARMv7 ``VMLAL.S16``, both by element.

Half as many products an instruction as with sums of 16 bits, for numbers whose products fill those
after a few steps: weights and codes of five to eight bits, fixed point.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..base import Expr, Vectors
from .base import Emit, Micro, Plan
from .product import Gemm

_MOST = (1 << 15) - 1
_LANES = 8
_ROWS = 9  # as in mla16.py


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Tiles of every number of rows that the registers allow."""
    if "neon" not in vectors.features or max(gemm.most, *map(abs, gemm.range)) > _MOST:
        return
    most = np.maximum(np.abs(gemm.lo), np.abs(gemm.hi))[:, None, :]
    bound = int((np.abs(gemm.weights) * most).sum(axis=2).max())
    if bound >= 1 << 31:
        return
    steps = -(-gemm.weights.shape[2] // _LANES)
    stored = "int16" if bound <= _MOST else "int32"
    for columns in range(1, min(4, -(-gemm.weights.shape[1] // _LANES)) + 1):
        for rows in range(1, _ROWS + 1):
            registers = 2 * rows * columns
            if registers + rows + columns > vectors.count - 3:
                break
            step = registers * _LANES + (rows + _LANES * columns) / 2 + 4
            yield Plan(
                "mlal16", gemm, rows, columns * _LANES, _LANES, 1, "int16", "int16", "int32", 1,
                steps, steps * step + 1.5 * registers + 8,
                f"int32 sums, no partial sum exceeds {bound}", _update(rows, columns),
                stored=stored,
            )


def _update(rows: int, columns: int) -> Emit:
    """Step by step over K: a row of weights is read, then meets one element of every row."""

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for k in range(_LANES):
            for r in range(rows):
                element = tirx.Shuffle(
                    [left.vload([r, 0], f"int16x{_LANES}")], [tirx.const(k, "int32")] * _LANES
                ).astype(f"int32x{_LANES}")
                for c in range(columns):
                    at = [r, tirx.Ramp(c * _LANES, 1, _LANES)]
                    factor = weights.vload([k, c * _LANES, 0], f"int16x{_LANES}")
                    product = element * factor.astype(f"int32x{_LANES}")
                    ir.buffer_store(sums, sums[tuple(at)] + product, at)

    return emit


MICRO = Micro("mlal16", plans)
