"""16-bit factors, 32-bit sums: AArch64 ``SMLAL`` and ARMv7 ``VMLAL.S16``, both by element.

Half as many products per instruction as with sums of 16 bits, for numbers whose products fill those
after a few steps: weights and codes of five to eight bits, fixed point.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .by_element import DEPTH, picked, tiles
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_MOST = (1 << 15) - 1
_LANES = 8
_HALF = 4  # of a register of weights, a register of sums


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles of every number of rows that the registers allow."""
    if not vectors.has("neon") or max(gemm.most, *map(abs, gemm.range)) > _MOST:
        return
    most = np.maximum(np.abs(gemm.lo), np.abs(gemm.hi))[:, None, :]
    bound = int((np.abs(gemm.weights) * most).sum(axis=2).max())
    if not _MOST < bound < 1 << 31:
        return
    steps = -(-gemm.weights.shape[2] // DEPTH)
    for rows, columns, loading in tiles(-(-gemm.weights.shape[1] // _LANES), 2, vectors):
        registers = 2 * rows * columns
        step = registers * DEPTH + loading + 4
        yield Plan(
            name="mlal16",
            gemm=gemm,
            rows=rows,
            outs=columns * _LANES,
            depth=DEPTH,
            group=1,
            left="int16",
            right="int16",
            dtype="int32",
            parts=1,
            steps=steps,
            instructions=steps * step + 1.5 * registers + 8,
            reason=f"int32 sums, no partial sum exceeds {bound}",
            emit=_update(rows, columns),
        )


def _update(rows: int, columns: int) -> Emit:
    """Write the update step by step over K.

    A row of weights is read, then meets one element of every row.
    """

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for k in range(DEPTH):
            for r in range(rows):
                element = picked(left, r, k, _HALF).astype(f"int32x{_HALF}")
                for c in range(0, columns * _LANES, _HALF):
                    low = tirx.const(c % _LANES, "int32")
                    factor = tirx.Shuffle(
                        [weights.vload([k, c - c % _LANES, 0], f"int16x{_LANES}")],
                        [low + n for n in range(_HALF)],
                    )
                    at = [r, tirx.Ramp(c, 1, _HALF)]
                    product = element * factor.astype(f"int32x{_HALF}")
                    ir.buffer_store(sums, sums[tuple(at)] + product, at)

    return emit


MICRO = Micro("mlal16", plans)
