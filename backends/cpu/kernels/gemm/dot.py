"""Dot products of four bytes: AArch64 ``SDOT`` by element, Armv8.2 with ``dotprod``.

An instruction multiplies four activations of one row with four weights of each of four outputs and
adds them into four accumulators of 32 bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors, computing_dtype
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_FOUR = 4  # products of an accumulator in one instruction
_DEPTHS = (32, 24, 16)  # of K between two branches
SPILL = 20
"""Estimate: instructions of a tile for each register that LLVM 22 lacks for operands that it loads
ahead: counted in 1x1 layers of 24 to 960 channels."""
_DOT = "llvm.aarch64.neon.sdot.v4i32.v16i8"


def signed_bytes(gemm: Gemm) -> bool:
    """Tell whether both operands are signed bytes."""
    ends = (*gemm.range, int(gemm.weights.min(initial=0)), int(gemm.weights.max(initial=0)))
    return min(ends) >= -128 and max(ends) <= 127


def sums_dtype(gemm: Gemm) -> str:
    """Return the narrowest type for the products of whole rows."""
    least, greatest = gemm.partial_sums(gemm.weights.shape[2])
    return computing_dtype(int(least.min(initial=0)), int(greatest.max(initial=0)))


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles that leave registers for the activations of every row and two of weights."""
    stored = sums_dtype(gemm)
    if not vectors.has("dotprod") or not signed_bytes(gemm) or stored == "int64":
        return
    for columns, depth in itertools.product((2, 4), _DEPTHS):
        if columns > 2 and 2 * _FOUR >= gemm.weights.shape[1]:
            break
        units, loads = -(-gemm.weights.shape[2] // depth), -(-depth // 16)
        for rows in range(1, 17):
            registers = rows * columns
            if registers + rows + 2 > vectors.count:
                break
            step = depth / _FOUR * (registers + columns / 2) + rows * loads / 2 + 4
            spilled = max(registers + 2 * columns + rows + 2 - vectors.count, 0)
            yield Plan(
                name="dot",
                gemm=gemm,
                rows=rows,
                outs=columns * _FOUR,
                depth=depth,
                group=_FOUR,
                left="int8",
                right="int8",
                dtype="int32",
                parts=1,
                steps=units,
                instructions=units * step + 2 * registers + 8 + SPILL * spilled,
                reason=f"int32 sums, stored as {stored}",
                emit=_update(rows, columns, depth),
                stored=stored,
            )


def _update(rows: int, columns: int, depth: int) -> Emit:
    """Write the update four by four over K.

    Weights of four outputs are read, then meet every row.
    """

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for k in range(0, depth, _FOUR):
            first = k // 16 * 16
            count = min(depth - first, 16)
            for c in range(columns):
                factors = weights.vload([k // _FOUR, c * _FOUR, 0], "int8x16")
                for r in range(rows):
                    row = tirx.reinterpret(
                        f"int32x{count // 4}", left.vload([r, first], f"int8x{count}")
                    )
                    four = tirx.Shuffle([row, row], [tirx.const((k - first) // 4, "int32")] * 4)
                    at = [r, tirx.Ramp(c * _FOUR, 1, _FOUR)]
                    ir.buffer_store(
                        product,
                        tirx.call_llvm_pure_intrin(
                            "int32x4",
                            _DOT,
                            product[tuple(at)],
                            factors,
                            tirx.reinterpret("int8x16", four),
                        ),
                        at,
                    )

    return emit


MICRO = Micro("dot", plans)
