"""16-bit multiply-accumulate: vectors of outputs by one activation picked from a register.

AArch64 ``MLA.8H`` and ARMv7 ``VMLA.I16``, both by element.  The accumulators are 16 bits wide and
wrap around, so a chunk of K may be as long as the actual weights and the actual range of the
activations allow its sum to be; longer K is cut into chunks, which the reader adds up in 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .by_element import DEPTH, picked, tiles
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_LEAST, _MOST = -(1 << 15), (1 << 15) - 1
_LANES = 8


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles of every number of rows that the registers allow."""
    if (
        vectors.scalar
        or gemm.most > _MOST
        or not (_LEAST <= gemm.range[0] and gemm.range[1] <= _MOST)
    ):
        return
    for parts, steps in gemm.chunks(DEPTH, _LEAST, _MOST):
        least, greatest = gemm.partial_sums(steps * _LANES)
        reason = (
            f"int16 sums of at most {steps * DEPTH} steps, "
            f"|partial| <= {max(-int(least.min()), int(greatest.max()))}"
        )
        for rows, columns, loading in tiles(-(-gemm.weights.shape[1] // _LANES), 1, vectors):
            # Of an odd number of rows, two steps would begin with more loads than registers.
            unroll = 2 if rows % 2 == 0 and steps % 2 == 0 else 1
            step = rows * columns * DEPTH + loading + 4 / unroll
            yield Plan(
                name="mla16",
                gemm=gemm,
                rows=rows,
                outs=columns * _LANES,
                depth=DEPTH,
                group=1,
                left="int16",
                right="int16",
                dtype="int16",
                parts=parts,
                steps=steps,
                instructions=parts * (steps * step + 1.5 * rows * columns + 8),
                reason=reason,
                emit=_update(rows, columns),
                unroll=unroll,
            )


def _update(rows: int, columns: int) -> Emit:
    """Write the update step by step over K.

    A row of weights is read, then meets one element of every row.
    """

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for k in range(DEPTH):
            for r in range(rows):
                element = picked(left, r, k, _LANES)
                for c in range(columns):
                    at = [r, tirx.Ramp(c * _LANES, 1, _LANES)]
                    factor = weights.vload([k, c * _LANES, 0], f"int16x{_LANES}")
                    ir.buffer_store(product, product[tuple(at)] + element * factor, at)

    return emit


MICRO = Micro("mla16", plans)
