"""SMLAD and SMLALD: two 16-bit products added to a sum of 32 or 64 bits, Cortex-M with DSP.

Two neighboring values of K share a word, in rows and in weights alike.  General registers hold a
tile of sums, one row's words and a word of weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_TILES = {
    "int32": ((3, 2), (2, 2), (1, 4), (1, 2)),
    "int64": ((2, 2), (1, 2)),
}
"""Rows and outputs by type of the sums; more sums leave no register for addresses."""

_PRODUCTS = {"int32": "llvm.arm.smlad", "int64": "llvm.arm.smlald"}
_DEPTHS = (8, 4)
_EXPANDED = 8  # weights at once, each by instructions of its own
_EXPANSION = 2.6  # instructions for a weight, as counted
_INT16 = 1 << 15


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles of up to six sums."""
    if not vectors.has("dsp") or not vectors.scalar:
        return
    lo, hi = gemm.range
    if max(gemm.most, -1 - lo, hi) >= _INT16:
        return
    # Cycles, as of packed polynomials: a load takes two where none is issued beside a product.
    loading = 1 if vectors.has("dual-issue") else 2
    for depth, (dtype, tiles) in product(_DEPTHS, _TILES.items()):
        # Sums wrap around, so that only the whole one must fit.
        ends = np.iinfo(dtype)
        for parts, steps in gemm.chunks(depth, int(ends.min), int(ends.max)):
            for rows, outs in tiles:
                pairs, words = depth // 2, ends.bits // 32
                step = pairs * 1.1 * (rows * outs + loading * (rows + outs)) + 6
                plan = Plan(
                    name="smlad",
                    gemm=gemm,
                    rows=rows,
                    outs=outs,
                    depth=depth,
                    group=2,
                    left="int16",
                    right="int16",
                    dtype=dtype,
                    parts=parts,
                    steps=steps,
                    instructions=parts * (steps * step + 3 * rows * outs * words + 10),
                    reason=f"two products a step in {dtype}",
                    emit=_update(rows, outs, depth, dtype),
                    expanded=_EXPANDED,
                    expansion=_EXPANSION,
                )
                yield plan
                if plan.bits == 8:
                    yield replace(plan, wide=True)


def _update(rows: int, outs: int, depth: int, dtype: str) -> Emit:
    """Write the update pair by pair over K: the rows' words stay in registers, weights do not."""

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for pair in range(depth // 2):
            codes = [_word(left, [r, 2 * pair]) for r in range(rows)]
            for o in range(outs):
                factor = _word(weights, [pair, o, 0])
                for r in range(rows):
                    new = tirx.call_llvm_pure_intrin(
                        dtype, _PRODUCTS[dtype], codes[r], factor, sums[r, o]
                    )
                    ir.buffer_store(sums, new, [r, o])

    return emit


def _word(buffer: Expr, at: list[int]) -> Expr:
    """Load two neighbors of 16 bits as they lie in memory."""
    return tirx.reinterpret("int32", buffer.vload(at, "int16x2"))


MICRO = Micro("smlad", plans)
