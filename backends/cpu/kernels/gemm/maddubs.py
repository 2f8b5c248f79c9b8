"""Byte products added in pairs: AVX2 ``VPMADDUBSW``, unsigned activations by signed weights.

An instruction forms 32 products and adds neighbors into 16 accumulators of 16 bits.  The addition
inside a pair saturates, the one to the accumulator wraps around; so no pair may leave 16 bits, and
beyond that only the sum of a whole chunk must not.  Activations of both signs are stored with their
least value taken away, which adds a constant to every product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Expr, Vectors
from .plan import Micro, Plan
from .product import Gemm, IntArray
from .tile import Emit

_LEAST, _MOST = -(1 << 15), (1 << 15) - 1
_PAIR, _LANES = 2, 16
_PRODUCT = "llvm.x86.avx2.pmadd.ub.sw"


def unsigned(gemm: Gemm) -> tuple[IntArray, Gemm]:
    """Return what makes the left operand of each batch unsigned, and the product with it."""
    shift = np.maximum(-gemm.lo.min(axis=1), 0)
    raised = replace(gemm, lo=gemm.lo + shift[:, None], hi=gemm.hi + shift[:, None])
    return shift, raised


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles that leave registers for the weights, an activation, and a product."""
    weights, (shift, raised) = gemm.weights, unsigned(gemm)
    if (
        not vectors.has("avx2")
        or raised.range[1] > 255
        or weights.min(initial=0) < -128
        or weights.max(initial=0) > 127
        or not _fit(*raised.partial_sums(_PAIR))
    ):
        return
    length = weights.shape[2]
    whole = _fit(*gemm.partial_sums(length))
    for depth in [16, 8] if length <= 128 and -(-length // 16) % 2 else [32, 16, 8]:
        # One chunk wraps around to its true sum; several are added up as they are.
        ways = (
            [(1, -(-length // depth))]
            if whole
            else [
                (parts, steps) for parts, steps in raised.chunks(depth, _LEAST, _MOST) if parts > 1
            ]
        )
        if ways:
            break
    for parts, steps in ways:
        sums = gemm if parts == 1 else raised
        least, greatest = sums.partial_sums(steps * depth)
        reason = (
            f"int16 sums of at most {min(steps * depth, length)} products, "
            f"|partial| <= {max(-int(least.min()), int(greatest.max()))}, no pair saturates"
        )
        for columns in (1, 2):
            if (columns - 1) * _LANES >= weights.shape[1]:
                break
            for rows in range(1, 13):
                if rows * columns + columns + 2 > vectors.count:
                    break
                step = depth // _PAIR * (2 * rows * columns + rows + columns)
                yield Plan(
                    name="maddubs",
                    gemm=gemm,
                    rows=rows,
                    outs=columns * _LANES,
                    depth=depth,
                    group=_PAIR,
                    left="uint8",
                    right="int8",
                    dtype="int16",
                    parts=parts,
                    steps=steps,
                    instructions=parts * (steps * step + 1.5 * rows * columns + 8),
                    reason=reason,
                    emit=_update(rows, columns, depth),
                    shift=shift if shift.any() else None,
                )


def _fit(least: IntArray, greatest: IntArray) -> bool:
    return _LEAST <= int(least.min(initial=0)) and int(greatest.max(initial=0)) <= _MOST


def _update(rows: int, columns: int, depth: int) -> Emit:
    """Write the update pair by pair over K.

    Rows of weights are read, then meet the pair of every row.
    """

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for k in range(0, depth, _PAIR):
            for r in range(rows):
                pair = tirx.reinterpret("int16", left.vload([r, k], f"uint8x{_PAIR}"))
                pairs = tirx.reinterpret("uint8x32", tirx.Broadcast(pair, _LANES))
                for c in range(columns):
                    at = [r, tirx.Ramp(c * _LANES, 1, _LANES)]
                    factors = weights.vload([k // _PAIR, c * _LANES, 0], "int8x32")
                    products = tirx.call_llvm_pure_intrin("int16x16", _PRODUCT, pairs, factors)
                    ir.buffer_store(product, product[tuple(at)] + products, at)

    return emit


MICRO = Micro("maddubs", plans)
