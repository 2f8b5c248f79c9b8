"""Dot products of four bytes: AArch64 ``SDOT`` by element, Armv8.2 with ``dotprod``.

An instruction multiplies four activations of one row with four weights of each of four outputs and
adds them into four accumulators of 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..base import Expr, Vectors, computing_dtype
from .base import Emit, Gemm, Micro, Plan

_FOUR, _DEPTH = 4, 16  # products of an accumulator in one instruction; of a register of activations
_DOT = "llvm.aarch64.neon.sdot.v4i32.v16i8"


def signed_bytes(gemm: Gemm) -> bool:
    """Whether both operands are signed bytes."""
    ends = (*gemm.range, int(gemm.weights.min(initial=0)), int(gemm.weights.max(initial=0)))
    return min(ends) >= -128 and max(ends) <= 127


def sums_dtype(gemm: Gemm) -> str:
    """The narrowest type for the products of whole rows."""
    least, greatest = gemm.partial_sums(gemm.weights.shape[2])
    return computing_dtype(int(least.min(initial=0)), int(greatest.max(initial=0)))


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Tiles that leave registers for the activations of every row and two of weights."""
    stored = sums_dtype(gemm)
    if "dotprod" not in vectors.features or not signed_bytes(gemm) or stored == "int64":
        return
    units = -(-gemm.weights.shape[2] // _DEPTH)
    for columns in (2, 4):
        if columns > 2 and 2 * _FOUR >= gemm.weights.shape[1]:
            break
        for rows in range(1, 17):
            registers = rows * columns
            if registers + rows + 2 > vectors.count:
                break
            step = _FOUR * registers + rows / 2 + _FOUR * columns / 2 + 3
            yield Plan(
                "dot", gemm, rows, columns * _FOUR, _DEPTH, _FOUR, "int8", "int8", "int32",
                1, units, units * step + 2 * registers + 8, f"int32 sums, stored as {stored}",
                _update(rows, columns), stored=stored,
            )


def _update(rows: int, columns: int) -> Emit:
    """Four by four over K: weights of four outputs are read, then meet every row."""

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for k in range(_DEPTH // _FOUR):
            for c in range(columns):
                factors = weights.vload([k, c * _FOUR, 0], "int8x16")
                for r in range(rows):
                    row = tirx.reinterpret("int32x4", left.vload([r, 0], "int8x16"))
                    four = tirx.Shuffle([row], [tirx.const(k, "int32")] * 4)
                    at = [r, tirx.Ramp(c * _FOUR, 1, _FOUR)]
                    ir.buffer_store(product, tirx.call_llvm_pure_intrin(
                        "int32x4", _DOT, product[tuple(at)], factors,
                        tirx.reinterpret("int8x16", four),
                    ), at)

    return emit


MICRO = Micro("dot", plans)
