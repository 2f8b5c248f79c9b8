"""Products of 2x8 by 8x2 bytes: AArch64 ``SMMLA``, Armv8.6 or ``i8mm``.

An instruction multiplies eight activations of two rows with eight weights of two outputs and adds
the four sums into four accumulators of 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .dot import SPILL, signed_bytes, sums_dtype
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit, Store

_DEPTH = 8
_PRODUCT = "llvm.aarch64.neon.smmla.v4i32.v16i8"


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles that leave registers for activations of all pairs of rows and two of weights."""
    stored = sums_dtype(gemm)
    if not vectors.has("i8mm") or not signed_bytes(gemm) or stored == "int64":
        return
    units = -(-gemm.weights.shape[2] // _DEPTH)
    for outs in (8, 16):
        if outs > 8 >= gemm.weights.shape[1]:
            break
        for rows in range(2, 17, 2):
            registers = rows * outs // 4
            if registers + rows // 2 + 2 > vectors.count:
                break
            step = registers + rows / 4 + outs / 4 + 2
            spilled = max(registers + rows // 2 + outs // 4 + 5 - vectors.count, 0)
            yield Plan(
                name="mmla",
                gemm=gemm,
                rows=rows,
                outs=outs,
                depth=_DEPTH,
                group=_DEPTH,
                left="int8",
                right="int8",
                dtype="int32",
                parts=1,
                steps=units,
                instructions=units * step + 3 * registers + 8 + SPILL * spilled,
                reason=f"int32 sums, stored as {stored}",
                emit=_update(rows, outs),
                stored=stored,
                store=_store(rows, outs, stored),
            )


def _place(pair: int, block: int, outs: int) -> list[Any]:
    """Return the position of the sums of a pair of rows and a pair of outputs in the register tile.

    Registers are numbered one after the other, over both rows.
    """
    first = 4 * block
    return [2 * pair + first // outs, tirx.Ramp(first % outs, 1, 4)]


def _update(rows: int, outs: int) -> Emit:
    """Write the update by eight of K at a time.

    Weights of two outputs are read, then meet every pair of rows.
    """

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for block in range(outs // 2):
            factors = weights.vload([0, 2 * block, 0], "int8x16")
            for pair in range(rows // 2):
                at = _place(pair, block, outs)
                ir.buffer_store(
                    product,
                    tirx.call_llvm_pure_intrin(
                        "int32x4",
                        _PRODUCT,
                        product[tuple(at)],
                        left.vload([2 * pair, 0], "int8x16"),
                        factors,
                    ),
                    at,
                )

    return emit


def _store(rows: int, outs: int, stored: str) -> Store:
    """Write rows from the 2x2 blocks, narrowed where the sums fit."""

    def shuffled(values: list[Expr], order: list[int]) -> Expr:
        return tirx.Shuffle(values, [tirx.const(n, "int32") for n in order])

    def emit(product: Expr, result: Expr) -> None:
        for pair in range(rows // 2):
            for first in range(0, outs // 2, 4):
                blocks = [product[tuple(_place(pair, first + n, outs))] for n in range(4)]
                # Both sums of a row and a pair of outputs move as one.
                if stored == "int16":
                    units = [
                        tirx.reinterpret(
                            "int32x4", shuffled(blocks[n : n + 2], list(range(8))).astype("int16x8")
                        )
                        for n in (0, 2)
                    ]
                    each, order = "int16x8", [0, 2, 4, 6]
                else:
                    units = [tirx.reinterpret("int64x2", block) for block in blocks]
                    each, order = "int32x8", [0, 2, 4, 6]
                for half in range(2):
                    row = shuffled(units, [n + half for n in order])
                    at = [2 * pair + half, tirx.Ramp(2 * first, 1, 8)]
                    ir.buffer_store(result, tirx.reinterpret(each, row), at)

    return emit


MICRO = Micro("mmla", plans)
