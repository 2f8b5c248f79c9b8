"""Weights of few values: numbers of 2 or 4 bits in the library, which are expanded before use.

A byte of the library holds the numbers of neighboring steps over K, in one lane.  Where a product
multiplies transformed weights, the plain ones are kept, and transformed while they are expanded:
that takes less than a third of an instruction for each byte that the library is smaller by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from tvm import s_tir, te, tirx

from ..body import Body, Expr, Vectors
from .layout import Layout
from .product import IntArray, Origin

_VECTOR = 16  # lanes expanded at once: bytes of a NEON register


def pack(layout: Layout, vectors: Vectors, shifted: bool) -> Packing | None:
    """Return how a product's weights are packed, None for too many values or another form.

    Args:
        layout: of the product.
        vectors: of the processor.
        shifted: numbers are added to the left operand, zeros in it included.
    """
    gemm = layout.gemm
    if vectors.size < _VECTOR or layout.together > 1 or gemm.spacing is None:
        return None
    if gemm.spacing[0] > 2 and not vectors.has("many-vectors") and vectors.size == _VECTOR:
        return None  # LLVM 22 takes them apart on ARMv7: three times the instructions
    surplus = layout.depths * layout.depth > gemm.weights.shape[2]
    if shifted and (surplus or ((gemm.lo == 0) & (gemm.hi == 0)).any()):
        return None  # weights that meet zeros may be any, but here the zeros are shifted
    return Packing(gemm.plain, *gemm.spacing, vectors)


def select(index: Expr, options: Sequence[Expr]) -> Expr:
    """Select the option of an index that unrolling makes a constant."""
    chosen = options[-1]
    for k in range(len(options) - 2, -1, -1):
        chosen = tirx.Select(index == k, options[k], chosen)
    return chosen


@dataclass(frozen=True, eq=False)
class Packing:
    """Plain weights as numbers: ``number * step + least``.

    Attributes:
        origin: the plain weights, and what makes the product's of them.
        bits: of a number, 2 or 4.
        least, step: of the weights.
        vectors: of the processor.
    """

    origin: Origin
    bits: int
    least: int
    step: int
    vectors: Vectors

    @property
    def odd(self) -> bool:
        """Whether weights are ``2 * number + 1`` of numbers with a sign: two shifts and one OR
        where bytes can be shifted."""
        least = 1 - (1 << self.bits)
        return self.step == 2 and self.least == least and self.vectors.size == _VECTOR

    @property
    def together(self) -> int:
        """Numbers in a byte."""
        return 8 // self.bits

    def shape(self, layout: Layout) -> tuple[int, int, int]:
        """Return the units of ``depth`` up to whole bytes, the steps over K in a row, its lanes.

        A step is ``group`` of K.  Several lie in a row where they fill a vector together.
        """
        steps, lanes = layout.depth // layout.group, layout.outs * layout.group
        row = next((n for n in (2, 4) if lanes * n == _VECTOR and steps % n == 0), 1)
        whole = self.together * row
        whole //= gcd(whole, steps)
        return -(-layout.depths // whole) * whole, row, row * lanes

    def size(self, layout: Layout) -> int:
        """Return the bytes in the library."""
        height, width = map(int, self.origin.weights.shape[:2])
        depths = self.shape(layout)[0]
        numbers = height * width * layout.blocks * depths * layout.depth * layout.outs
        return numbers // self.together

    def instructions(self, layout: Layout) -> float:
        """Estimate the instructions that expand all weights."""
        height, width = map(int, self.origin.weights.shape[:2])
        # Two shifts, or one and a mask, and another step; then widening and stores.
        each: float = 3 * height * width
        each += len(layout.gemm.weights) * (1 if layout.right == "int8" else 4)
        if self.origin.mix is not None:
            each += 3 * (width + len(self.origin.mix))
        if not self.vectors.has("many-vectors"):
            each *= 1.1  # spills
        depths, _, lanes = self.shape(layout)
        return each * layout.blocks * depths * layout.depth * layout.outs / self._vector(lanes)

    @staticmethod
    def _vector(lanes: int) -> int:
        """Return the lanes expanded at once."""
        return lanes & -lanes if lanes % _VECTOR else _VECTOR

    def weights(self, layout: Layout, body: Body) -> te.Tensor:
        """Write the stage ``expanded``, in the layout in which the product reads weights."""
        numbers = self.numbers(layout)
        table = body.table("weight", numbers)
        dtype = "int8" if layout.gemm.most < 1 << 7 else "int16"
        (depths, together, lanes), group = self.shape(layout), layout.group
        steps = layout.depth // group

        def plain(r: Expr, s: Expr, block: Expr, row: Expr, lane: Expr) -> Expr:
            word, field = table[r, s, block, row // self.together, lane], row % self.together
            return select(field, [self._weight(word, k, dtype) for k in range(self.together)])

        def place(k: Expr, j: Expr, o: Expr, g: Expr) -> tuple[Expr, Expr]:
            step, lane = k * steps + j, o * group + g
            return step // together, step % together * (layout.outs * group) + lane

        shape = (len(layout.gemm.weights), layout.blocks, depths, steps, layout.outs, group)
        mix = self.origin.mix
        if mix is None:
            return te.compute(
                shape,
                lambda b, n, *at: plain(b, 0, n, *place(*at)).astype(layout.right),
                "expanded",
            )
        points, width = len(mix), self.origin.weights.shape[1]

        def combined(index: Expr, values: list[Expr]) -> Expr:
            return select(index, _sums(mix, values))

        columns = te.compute(
            (points, width, layout.blocks, depths * steps // together, lanes),
            lambda a, s, n, row, lane: combined(
                a, [plain(r, s, n, row, lane) for r in range(mix.shape[1])]
            ),
            "expanding",
        )
        return te.compute(
            shape,
            lambda b, n, *at: combined(
                b % points, [columns[b // points, s, n, *place(*at)] for s in range(width)]
            ).astype(layout.right),
            "expanded",
        )

    def _weight(self, word: Expr, field: int, dtype: str) -> Expr:
        """Return the weight of a number in a byte."""
        if self.odd:
            high = word << tirx.const(8 - self.bits * (field + 1), "uint8")
            doubled = high.astype("int8") >> tirx.const(7 - self.bits, "int8")
            return (doubled | tirx.const(1, "int8")).astype(dtype)
        power = self.step.bit_length() - 1
        exact = self.step == 1 << power and power + self.bits < 8
        by = field * self.bits - (power if exact else 0)
        word = word >> tirx.const(by, "uint8") if by > 0 else word << tirx.const(-by, "uint8")
        mask = ((1 << self.bits) - 1) << (power if exact else 0)
        number = (word & tirx.const(mask, "uint8")).astype(dtype)
        if not exact:
            number = number * tirx.const(self.step, dtype)
        return number + tirx.const(self.least, dtype)

    def numbers(self, layout: Layout) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the bytes (R, S, blocks, rows / together, lanes); surplus numbers may be any."""
        height, width, out, depth = self.origin.weights.shape
        numbers = (self.origin.weights - self.least) // self.step
        numbers = np.clip(numbers, 0, (1 << self.bits) - 1)  # what meets zeros may be any
        if self.odd:
            numbers ^= 1 << self.bits - 1
        depths, _, lanes = self.shape(layout)
        whole = np.zeros(
            (height, width, layout.blocks * layout.outs, depths * layout.depth), np.uint8
        )
        whole[:, :, :out, :depth] = numbers
        whole = whole.reshape(height, width, layout.blocks, layout.outs, -1, layout.group)
        whole = whole.transpose(0, 1, 2, 4, 3, 5)
        whole = whole.reshape(height, width, layout.blocks, -1, lanes)
        words: np.ndarray[Any, np.dtype[np.uint8]] = np.bitwise_or.reduce(
            [whole[..., k :: self.together, :] << (k * self.bits) for k in range(self.together)]
        )
        return words

    def schedule(
        self,
        schedule: s_tir.Schedule,
        expanded: s_tir.schedule.SBlockRV,
        at: s_tir.schedule.LoopRV | None,
        layout: Layout,
    ) -> None:
        """Order the loops: lanes are vectors, and a byte is expanded by code without branches.

        Args:
            schedule: the function's.
            expanded: the stage.
            at: the loop over blocks of outputs under which they are expanded, None for all at once.
            layout: of the product.
        """
        if at is not None:
            schedule.compute_at(expanded, at, preserve_unit_loops=True)
        *_, batch, block, depth, row, out, group = schedule.get_loops(expanded)
        _, together, lanes = self.shape(layout)
        rows, field, step = schedule.split(
            schedule.fuse(depth, row), [None, self.together, together]
        )
        lane = schedule.fuse(step, out, group)
        piece, lane = schedule.split(lane, [None, self._vector(lanes)])
        if self.origin.mix is None:
            schedule.reorder(batch, block, rows, piece, field, lane)
        else:
            schedule.reorder(block, rows, piece, field, batch, lane)
            columns = schedule.get_sblock("expanding")
            schedule.compute_at(columns, field, preserve_unit_loops=True)
            schedule.set_scope(columns, 0, "local")
            a, s, _, _, inner = schedule.get_loops(columns)[-5:]
            schedule.unroll(a)
            schedule.unroll(s)
            schedule.vectorize(inner)
            schedule.unroll(batch)
        schedule.unroll(field)
        schedule.vectorize(lane)


def _sums(mix: IntArray, values: Sequence[Expr]) -> list[Expr]:
    """Add up values with factors 1, 0 and -1.

    Values that are never subtracted come first, so that sums share them.
    """
    order = sorted(range(len(values)), key=lambda k: int(mix[:, k].min()) < 0)
    sums = []
    for row in mix:
        first, *rest = (k for k in order if row[k])
        total = values[first]
        for k in rest:
            total = total + values[k] if row[k] > 0 else total - values[k]
        sums.append(total)
    return sums
