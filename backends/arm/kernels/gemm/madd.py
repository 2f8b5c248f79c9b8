"""16-bit products added in pairs: AVX2 ``VPMADDWD``.

An instruction forms 16 products of 16-bit numbers and adds neighbours to 8 sums of 32 bits.  Where
all of K fits those, they are the accumulators.  Where it does not, they are drained after as many
steps as the actual weights allow: their lower halves are added up on one side, their upper halves
on the other, which takes no wider lanes; both together are the sum of 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..base import Expr, Vectors
from .base import Emit, Gemm, Micro, Plan, Store

_PAIR, _LANES, _HALF = 2, 8, 16
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1
_PRODUCT = "llvm.x86.avx2.pmadd.wd"
_DEPTHS = (32, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2)


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Tiles whose 32-bit sums stay in registers, beside weights, an activation and a product."""
    ends = (*gemm.range, int(gemm.weights.min(initial=0)), int(gemm.weights.max(initial=0)))
    if "avx2" not in vectors.features or min(ends) < -(1 << 15) or max(ends) >= 1 << 15:
        return
    length = gemm.weights.shape[2]
    narrow = _fits(gemm, length)
    # A drain's pairs begin anywhere in K: matrices of one unit would hide a longer one.
    for depth in [_HALF] if narrow else [n for n in _DEPTHS if _fits(gemm, n)]:
        units = -(-length // depth)
        for columns in (1, 2):
            if (columns - 1) * _LANES >= gemm.weights.shape[1]:
                break
            for rows in range(1, 13):
                registers = rows * columns
                if registers + columns + 2 > vectors.count:
                    break
                step = depth // _PAIR * (2 * registers + rows + columns)
                if narrow:
                    yield Plan(
                        "madd", gemm, rows, columns * _LANES, depth, _PAIR, "int16", "int16",
                        "int32", 1, units, units * step + 2 * registers + 8, "int32 sums",
                        _update(rows, columns, depth, narrow),
                    )
                else:
                    yield Plan(
                        "madd", gemm, rows, columns * _LANES, depth, _PAIR, "int16", "int16",
                        "int64", 1, units,
                        units * (step + 5 * registers) + 10 * registers + 8,
                        f"int32 sums of at most {min(depth, length)} products, drained to int64",
                        _update(rows, columns, depth, narrow), store=_joined(rows, columns),
                    )


def _fits(gemm: Gemm, length: int) -> bool:
    """Whether sums of so many products fit 32 bits, pairs of the least number included."""
    least, greatest = gemm.partial_sums(length)
    return _LEAST < int(least.min(initial=0)) and int(greatest.max(initial=0)) <= _MOST


def _update(rows: int, columns: int, depth: int, narrow: bool) -> Emit:
    """Pair by pair over K: rows of weights are read, then meet the pair of every row."""

    def emit(left: Expr, weights: Expr, product: Expr) -> None:
        sums: dict[tuple[int, int], Expr] = {}
        if narrow:
            for r in range(rows):
                for c in range(columns):
                    sums[r, c] = product[r, tirx.Ramp(c * _LANES, 1, _LANES)]
        for k in range(0, depth, _PAIR):
            for r in range(rows):
                pair = tirx.reinterpret("int32", left.vload([r, k], f"int16x{_PAIR}"))
                pairs = tirx.reinterpret("int16x16", tirx.Broadcast(pair, _LANES))
                for c in range(columns):
                    factors = weights.vload([k // _PAIR, c * _LANES, 0], "int16x16")
                    products = tirx.call_llvm_pure_intrin("int32x8", _PRODUCT, pairs, factors)
                    before = sums.get((r, c))
                    sums[r, c] = ir.bind(products if before is None else before + products)
        for (r, c), total in sums.items():
            if narrow:
                ir.buffer_store(product, total, [r, tirx.Ramp(c * _LANES, 1, _LANES)])
                continue
            mask = tirx.Broadcast(tirx.const((1 << _HALF) - 1, "int32"), _LANES)
            shift = tirx.Broadcast(tirx.const(_HALF, "int32"), _LANES)
            for half, part in enumerate((total & mask, total >> shift)):
                at = [r, tirx.Ramp(c * _LANES + half * _LANES // 2, 1, _LANES // 2)]
                before = tirx.reinterpret("int32x8", product[tuple(at)])
                ir.buffer_store(product, tirx.reinterpret("int64x4", before + part), at)

    return emit


def _joined(rows: int, columns: int) -> Store:
    """Sums of 64 bits from those of their halves."""

    def emit(product: Expr, result: Expr) -> None:
        for r in range(rows):
            for c in range(0, columns * _LANES, _LANES):
                lower, upper = (
                    tirx.reinterpret("int32x8", product[r, tirx.Ramp(c + n, 1, _LANES // 2)])
                    .astype("int64x8") for n in (0, _LANES // 2)
                )
                shift = tirx.Broadcast(tirx.const(_HALF, "int64"), _LANES)
                ir.buffer_store(result, (upper << shift) + lower, [r, tirx.Ramp(c, 1, _LANES)])

    return emit


MICRO = Micro("madd", plans)
