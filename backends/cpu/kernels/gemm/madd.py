"""16-bit products added in pairs: AVX2 ``VPMADDWD``.

An instruction forms 16 products of 16-bit numbers and adds neighbors to 8 sums of 32 bits.  Where
all of K fits those, they are the accumulators.

Where it does not, K is cut into chunks whose sums provably fit, by the actual weights.  Sums of
chunks are added up twice: as they are, wrapping around, which gives the lower 32 bits of the
product; and without their lower 16 bits, each of which loses less than 2^16.  Of the products that
share those lower bits, 2^32 apart, the second sum picks one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from .. import wrapping
from ..body import Expr, Vectors
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit, Store

_PAIR, _LANES, _HALF = 2, 8, 16
_INT16, _INT32 = 1 << 15, 1 << 31
_LONGEST = 192  # of K that is written out step by step
_PRODUCT = "llvm.x86.avx2.pmadd.wd"

Chunks = list[list[int]]
"""Positions of pairs within a unit of K, in the order of their products."""


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles whose sums stay in registers, beside weights, an activation and a product."""
    ends = (*gemm.range, int(gemm.weights.min(initial=0)), int(gemm.weights.max(initial=0)))
    if not vectors.has("avx2") or min(ends) < -_INT16 or max(ends) >= _INT16:
        return
    length = gemm.weights.shape[2]
    least, greatest = gemm.partial_sums(length)
    narrow = max(-int(least.min(initial=0)), int(greatest.max(initial=0))) < _INT32
    units = -(-length // (_HALF if narrow else _LONGEST))
    depth = _HALF if narrow else -(-length // units // _LANES) * _LANES
    cut = [list(range(depth // _PAIR))] if narrow else chunks(gemm, units, depth)
    if not cut:
        return
    reason = (
        "int32 sums"
        if narrow
        else (f"int32 sums of {depth} products in {len(cut)} chunks, int64 beyond them")
    )
    pairs = sum(map(len, cut))
    for columns in (1, 2):
        if (columns - 1) * _LANES >= gemm.weights.shape[1]:
            break
        for rows in range(1, 13):
            tile = rows * columns
            # The sums that only chunks touch may lie on the stack.
            if tile + columns + 2 > vectors.count or not narrow and tile > _LANES:
                break
            step = pairs * (2 * tile + rows + columns)
            if not narrow:
                step += len(cut) * tile * (2 if 3 * tile + columns + 2 <= vectors.count else 4)
            yield Plan(
                name="madd",
                gemm=gemm,
                rows=rows,
                outs=columns * _LANES,
                depth=depth,
                group=_PAIR,
                left="int16",
                right="int16",
                dtype="int32" if narrow else "int64",
                parts=1,
                steps=units,
                instructions=units * step + (2 if narrow else 14) * tile + 8,
                reason=reason,
                emit=_update(rows, columns, cut, narrow),
                store=None if narrow else _joined(rows, columns),
            )


def chunks(gemm: Gemm, units: int, depth: int) -> Chunks:
    """Pairs of a unit of K in chunks whose sums fit 32 bits in any order; none if a pair does not.

    The same for all outputs and units.  Each chunk takes the largest pairs that it still can;
    pairs of zero weights are in none.
    """
    whole = [np.zeros((*gemm.weights.shape[:2], units * depth), np.int64) for _ in range(2)]
    ends = [gemm.weights * row[:, None, :] for row in (gemm.lo, gemm.hi)]
    for most, sums in zip(whole, (-np.minimum(*ends), np.maximum(*ends)), strict=True):
        most[:, :, : sums.shape[2]] = np.maximum(sums, 0)
    bounds = np.stack(whole).reshape(-1, depth // _PAIR, _PAIR).sum(axis=2).T
    left = sorted(np.flatnonzero(bounds.any(axis=1)).tolist(), key=lambda k: -bounds[k].sum())
    result: Chunks = []
    while left:
        chunk, total = [], np.zeros(bounds.shape[1], np.int64)
        for k in left:
            if int((total + bounds[k]).max()) < _INT32:
                chunk.append(k)
                total += bounds[k]
        if not chunk:
            return []
        left = [k for k in left if k not in chunk]
        result.append(sorted(chunk))
    return result


def _update(rows: int, columns: int, cut: Chunks, narrow: bool) -> Emit:
    """Write the update pair by pair over K.

    Rows of weights are read, then meet the pair of every row.
    """
    tile = [(r, c) for r in range(rows) for c in range(columns)]

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        for chunk in cut:
            sums: dict[tuple[int, int], Expr] = {}
            if narrow:
                sums = {(r, c): product[_place(r, c)] for r, c in tile}
            for k in chunk:
                for r in range(rows):
                    pair = tirx.reinterpret("int32", left.vload([r, k * _PAIR], f"int16x{_PAIR}"))
                    pairs = tirx.reinterpret("int16x16", tirx.Broadcast(pair, _LANES))
                    for c in range(columns):
                        factors = weights.vload([k, c * _LANES, 0], "int16x16")
                        products = tirx.call_llvm_pure_intrin("int32x8", _PRODUCT, pairs, factors)
                        before = sums.get((r, c))
                        sums[r, c] = ir.bind(products if before is None else before + products)
            for (r, c), total in sums.items():
                if narrow:
                    ir.buffer_store(product, total, list(_place(r, c)))
                    continue
                lower, upper = _halves(r, c)
                shift = tirx.Broadcast(tirx.const(_HALF, "int32"), _LANES)
                wrapped = wrapping.add(tirx.reinterpret("int32x8", product[lower]), total)
                coarse = tirx.reinterpret("int32x8", product[upper]) + (total >> shift)
                ir.buffer_store(product, tirx.reinterpret("int64x4", wrapped), list(lower))
                ir.buffer_store(product, tirx.reinterpret("int64x4", coarse), list(upper))

    return emit


def _place(row: int, column: int) -> tuple[int, Expr]:
    return row, tirx.Ramp(column * _LANES, 1, _LANES)


def _halves(row: int, column: int) -> tuple[tuple[int, Expr], tuple[int, Expr]]:
    """Return the places of the two sums of 32 bits, which share the place of eight of 64."""
    first, half = column * _LANES, _LANES // 2
    return (row, tirx.Ramp(first, 1, half)), (row, tirx.Ramp(first + half, 1, half))


def _joined(rows: int, columns: int) -> Store:
    """Join sums of 64 bits: the lower 32 bits are those of the one, nearest above the other."""

    def emit(product: Expr, result: Expr) -> None:
        for r in range(rows):
            for c in range(columns):
                wrapped, coarse = (
                    tirx.reinterpret("int32x8", product[at]).astype("int64x8")
                    for at in _halves(r, c)
                )
                shift, mask = (
                    tirx.Broadcast(tirx.const(n, "int64"), _LANES) for n in (_HALF, 2 * _INT32 - 1)
                )
                below = coarse << shift
                ir.buffer_store(result, below + ((wrapped - below) & mask), list(_place(r, c)))

    return emit


MICRO = Micro("madd", plans)
