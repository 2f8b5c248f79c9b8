"""SMLAD: two 16-bit products added to a 32-bit sum, Cortex-M with DSP instructions.

Two neighboring values of K share a word, in rows and in weights alike.  General registers hold a
tile of sums, one row's words and a word of weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_TILES = ((3, 2), (2, 2), (1, 4), (1, 2))  # more sums leave no register for addresses
_DEPTHS = (8, 4)
_EXPANDED = 8  # weights at once, each by instructions of its own
_INT16, _INT32 = 1 << 15, 1 << 31


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles of up to six sums."""
    if not vectors.has("dsp") or not vectors.scalar:
        return
    lo, hi = gemm.range
    if max(gemm.most, -1 - lo, hi) >= _INT16:
        return
    # Cycles, as of packed polynomials: a load takes two where none is issued beside a product.
    loading = 1 if vectors.has("dual-issue") else 2
    for depth in _DEPTHS:
        # Sums wrap around, so that only the whole one must fit.
        for parts, steps in gemm.chunks(depth, -_INT32, _INT32 - 1):
            for rows, outs in _TILES:
                pairs = depth // 2
                step = pairs * 1.1 * (rows * outs + loading * (rows + outs)) + 6
                yield Plan(
                    name="smlad",
                    gemm=gemm,
                    rows=rows,
                    outs=outs,
                    depth=depth,
                    group=2,
                    left="int16",
                    right="int16",
                    dtype="int32",
                    parts=parts,
                    steps=steps,
                    instructions=parts * (steps * step + 3 * rows * outs + 10),
                    reason="two products a step in int32",
                    emit=_update(rows, outs, depth),
                    expanded=_EXPANDED,
                )


def _update(rows: int, outs: int, depth: int) -> Emit:
    """Write the update pair by pair over K: the rows' words stay in registers, weights do not."""

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for pair in range(depth // 2):
            codes = [_word(left, [r, 2 * pair]) for r in range(rows)]
            for o in range(outs):
                factor = _word(weights, [pair, o, 0])
                for r in range(rows):
                    new = tirx.call_llvm_pure_intrin(
                        "int32", "llvm.arm.smlad", codes[r], factor, sums[r, o]
                    )
                    ir.buffer_store(sums, new, [r, o])

    return emit


def _word(buffer: Expr, at: list[int]) -> Expr:
    """Load two neighbors of 16 bits as they lie in memory."""
    return tirx.reinterpret("int32", buffer.vload(at, "int16x2"))


MICRO = Micro("smlad", plans)
