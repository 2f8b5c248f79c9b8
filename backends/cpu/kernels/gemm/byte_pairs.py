"""Two outputs in each 16-bit lane: NEON ``MLA.8H`` by element as 16 multiply-accumulates.

A lane of weights is ``w0 + 256 w1``, so a lane of sums is ``s0 + 256 s1``, and both can be read
back while neither leaves a byte.  Sums start from 128 in each byte, which makes them unsigned: no
borrow passes from one to the other.  As few-bit codes times few-bit weights are small, a byte lasts
for some dozens of steps; then the reader adds the bytes up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx
from tvm.script.ir_builder import tirx as ir

from ..body import Body, Expr, Vectors
from .by_element import DEPTH, picked, tiles
from .plan import Micro, Plan
from .product import Gemm
from .tile import Emit

_START = 128  # in the middle of a byte
_LANES, _OUTS = 8, 16
_SHORTEST = 2  # units between drains, fewer are not worth it


@dataclass(frozen=True, eq=False)
class BytePairs(Plan):
    """A plan whose weights lie two in 16 bits: ``w0 + 256 w1``.

    Weights of at most four evenly spaced values, as those of two bits are, take two bits each in
    the library: a word holds the same pair of four steps.
    """

    together: ClassVar[int] = 2

    def factor(self, weight: Expr, out: Expr) -> Expr:
        return (weight >> ((out % 2) * 8).astype("int16")).astype("uint8")

    @property
    def arranged_weights(self) -> NDArray[np.integer]:
        pairs: NDArray[np.int16] = _pairs(self.arranged(self.gemm.weights)).astype(np.int16)
        return pairs

    @cached_property
    def _scale(self) -> tuple[int, int] | None:
        """The least weight and the step between weights, where two bits can number them."""
        gemm = self.gemm
        met = ((gemm.lo != 0) | (gemm.hi != 0)).nonzero()
        values = np.unique(gemm.weights.transpose(0, 2, 1)[met])
        if gemm.weights.shape[2] < self.depths * self.depth or not len(values):
            return None  # weights after the last are to be zero
        step = max(int(np.gcd.reduce(np.diff(values))), 1) if len(values) > 1 else 1
        return (int(values[0]), step) if values[-1] - values[0] <= 3 * step else None

    @property
    def bits(self) -> int:
        return 8 if self._scale is None else 2

    def weights(self, body: Body) -> te.Tensor:
        if self._scale is None:
            return body.table("weight", self.arranged_weights)
        least, step = self._scale
        numbers = np.clip((self.gemm.weights - least) // step, 0, 3)  # what meets zeros may be any
        pairs = _pairs(self.arranged(numbers))
        words = sum(pairs[..., k::4, :, 0] << 2 * k for k in range(4))
        table = body.table("weight", np.asarray(words).astype(np.uint16))

        def pair(*at: Expr) -> Expr:
            *block, k, o, _ = at
            shift = ((k % 4) * 2).astype("uint16")
            number = (table(*block, k // 4, o) >> shift) & tirx.const(0x0303, "uint16")
            return number.astype("int16") * tirx.const(step, "int16") + tirx.const(
                257 * least, "int16"
            )

        return te.compute(pairs.shape, pair, "expanded")

    def _expand(self, plan: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
        *_, step, out, _ = plan.get_loops(block)
        plan.unroll(step)
        plan.vectorize(plan.split(out, [None, _LANES])[1])


def _pairs(arranged: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join neighboring outputs of (B, blocks, depths, depth, outs, 1) as low and high byte."""
    return arranged[..., ::2, :] + 256 * arranged[..., 1::2, :]


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Yield tiles of every number of rows that the registers allow."""
    if not vectors.has("neon") or gemm.most > 127 or max(map(abs, gemm.range)) > 127:
        return
    for parts, steps in gemm.chunks(DEPTH, -_START, 255 - _START):
        if steps < _SHORTEST and parts > 1:
            return
        least, greatest = gemm.partial_sums(steps * DEPTH)
        reason = (
            f"pairs of bytes, sums of at most {steps * DEPTH} steps, "
            f"{int(least.min())} <= partial <= {int(greatest.max())}"
        )
        for rows, columns, loading in tiles(-(-gemm.weights.shape[1] // _OUTS), 1, vectors):
            step = rows * columns * DEPTH + loading + 4
            yield BytePairs(
                name="byte_pairs",
                gemm=gemm,
                rows=rows,
                outs=columns * _OUTS,
                depth=DEPTH,
                group=1,
                left="int16",
                right="int16",
                dtype="uint8",
                parts=parts,
                steps=steps,
                instructions=parts * (steps * step + 1.5 * rows * columns + 8),
                reason=reason,
                emit=_update(rows, columns),
                start=_START,
            )


def _update(rows: int, columns: int) -> Emit:
    """Write the update step by step over K.

    A row of weights is read, then meets one element of every row.
    """

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for k in range(DEPTH):
            for r in range(rows):
                element = picked(left, r, k, _LANES)
                for c in range(columns):
                    at = [r, tirx.Ramp(c * _OUTS, 1, _OUTS)]
                    factor = weights.vload([k, c * _LANES, 0], f"int16x{_LANES}")
                    total = tirx.reinterpret("int16x8", sums[tuple(at)]) + element * factor
                    ir.buffer_store(sums, tirx.reinterpret(f"uint8x{_OUTS}", total), at)

    return emit


MICRO = Micro("byte_pairs", plans)
