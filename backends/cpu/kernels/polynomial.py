"""Convolution by polynomials packed into integers, for processors without vectors.

Codes of three neighboring pixels are the coefficients of a polynomial, the three taps of a row of
the window those of another; both are evaluated at a power of two, which lays the coefficients side
by side in a 32-bit word.  One SMLAL then forms their nine products at once, and adds them up where
they belong in the five coefficients of the product (Liu et al., "HiKonv", arXiv:2112.13972):

    (x0 + x1 t + x2 t^2) (w2 + w1 t + w0 t^2)      t = 2^13

Coefficient k of word g belongs to pixel 3 g + k of the row: what reaches beyond the word, k = 3 and
4, is what the next word lacks.  Taps are signed, and the whole is exact in 64 bits whatever the
coefficients' signs.  They can be told apart as long as each of them ends within half its field on
either side of zero, whatever it was on the way; the actual weights and the codes' range decide
that, and longer sums over channels are cut into chunks.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te, tirx
from tvm.script.ir_builder import tirx as ir

from .body import Body, Expr, Vectors, computing_dtype
from .convolution import ConvolutionPlan, Totals, convolution_kernel
from .epilogue import Area
from .gemm.tensorize import axis, intrinsic, loops
from .layer import Layer
from .polynomial_fields import FIELD, PIXELS, TAPS, Chunks, chunks, packed_taps
from .polynomial_sum import cycles, free_registers, sum_function, sum_name
from .window import container, frame_of, framed

_ROWS = (4, 3, 2, 1)  # of outputs that are summed together


def high_half(word: Expr) -> Expr:
    """Return the upper 32 bits."""
    return (word >> tirx.const(32, "int64")).astype("int32")


def extracted(word: Expr, index: Expr) -> Expr:
    """Extract coefficient 0, 1 or 2 of a word as int32.

    The lower coefficients together are less than a half, so rounding removes them.  The index is a
    constant once loops are unrolled.  Numbers are masked before they are added to: TVM promises
    LLVM that sums do not overflow, even in bits that are not read.
    """
    low = word.astype("int32")
    one = tirx.const(1 << (FIELD - 1), "int32")
    cut = 32 - 2 * FIELD
    first = low << tirx.const(cut + FIELD, "int32")
    upper = low & tirx.const((1 << (2 * FIELD)) - 1, "int32")
    second = (upper + one) << tirx.const(cut, "int32")
    bottom = (low.astype("uint32") >> tirx.const(2 * FIELD - 1, "uint32")).astype("int32")
    rounded = (bottom + tirx.const(1, "int32")) >> tirx.const(1, "int32")
    high = high_half(word) & tirx.const((1 << FIELD) - 1, "int32")
    third = rounded + (high << tirx.const(cut, "int32"))
    third = third << tirx.const(32 - FIELD, "int32")
    chosen = tirx.Select(index == 0, first, tirx.Select(index == 1, second, third))
    return chosen >> tirx.const(32 - FIELD, "int32")


@dataclass(frozen=True, eq=False, kw_only=True)
class PolynomialPlan(ConvolutionPlan):
    """A layer by packed polynomials.

    Attributes:
        rows: of outputs in a strip, which are summed together.
        words: of a row of the map.
        dropped: columns of padding at the left that are left out, for they add nothing.
        chunks: of channels.
        unrolled: channels that the innermost loop takes at once.
        dual: the core issues a load beside a product.
    """

    rows: int
    words: int
    dropped: int
    chunks: Chunks
    unrolled: int
    dual: bool

    @property
    def reason(self) -> str:
        count, channels, least, greatest = self.chunks
        return (
            f"{PIXELS} pixels by {TAPS} taps in a product, {count} sums of {channels} "
            f"channels in {least}..{greatest}, fields of {FIELD} bits; {self.rows} rows at once"
        )

    @property
    def strips(self) -> int:
        """Strips of the map."""
        return -(-self.layer.shape[0] // self.rows)

    @property
    def taps(self) -> int:
        """Rows of the window."""
        return int(self.layer.weight.shape[1])

    @property
    def whole(self) -> Area:
        return self.real

    @property
    def real(self) -> Area:
        height, width, out = self.layer.shape
        return Area(height, width, 1, out)

    def totals(self, body: Body) -> Totals:
        full = self._words(body)
        rows, parts = self.rows, range(self.chunks.number)
        dtype = computing_dtype(*body.value(self.layer.op.output, None).range)
        dtype = max(dtype, "int16" if len(parts) == 1 else "int32")

        def coefficient(s: Expr, o: Expr, r: Expr, n: Expr) -> Expr:
            numbers = [extracted(full[s, o, part, n // PIXELS, r], n % PIXELS) for part in parts]
            return functools.reduce(operator.add, numbers).astype(dtype)

        shape = (self.strips, self.layer.shape[2], rows, self.words * PIXELS)
        total = te.compute(shape, coefficient, "total")

        def read(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
            return total(y // rows, o, y % rows, z + TAPS - 1 - self.dropped)

        return Totals(total, read)

    def _words(self, body: Body) -> te.Tensor:
        """Write the stages ``framed``, ``packed``, ``words`` and ``joined``.

        They are padded rows, packed words, the products' words, and these with all that belongs to
        them.
        """
        op, weight = self.layer.op, self.layer.weight
        (count, channels, _, _), taps = self.chunks, self.taps
        depth = count * channels
        x = body.tensor(op.inputs[0], self.layer.source.shape)
        top, left, _, _ = op.pads
        size = (self.strips * self.rows + taps - 1, self.words * PIXELS, depth)
        dtype = container(*self.layer.codes)
        source = framed(x, (top, left - self.dropped), size, self.layer.outside, dtype)
        w = body.table("weight", packed_taps(weight, count, channels))

        def pack(s: Expr, g: Expr, c: Expr, line: Expr) -> Expr:
            word = tirx.const(0, "int32")
            for i in range(PIXELS):
                code = source[s * self.rows + line, g * PIXELS + i, c].astype("int32")
                word = word + (code << tirx.const(FIELD * i, "int32"))
            return word

        packed = te.compute((self.strips, self.words, depth, self.rows + taps - 1), pack, "packed")
        k0, k1 = te.reduce_axis((0, channels), "k0"), te.reduce_axis((0, taps), "k1")

        def product(s: Expr, o: Expr, part: Expr, g: Expr, r: Expr) -> Expr:
            c = part * channels + k0
            factor = w[part, o, k0, k1].astype("int64")
            return te.sum(packed[s, g, c, r + k1].astype("int64") * factor, axis=[k0, k1])

        area = (self.strips, len(weight), count, self.words, self.rows)
        stored = te.compute(area, product, "words")

        def joined(s: Expr, o: Expr, part: Expr, g: Expr, r: Expr) -> Expr:
            """Return a word, the previous word's share of its first two coefficients added.

            That is its value divided by 2^39 and rounded, for the lower ones are less than a half.
            """
            before = high_half(stored[s, o, part, g - 1, r])
            shift = 3 * FIELD - 32
            rest = (before + tirx.const(1 << (shift - 1), "int32")) >> tirx.const(shift, "int32")
            rest = tirx.if_then_else(g > 0, rest, tirx.const(0, "int32"))
            return stored[s, o, part, g, r] + rest.astype("int64")

        return te.compute(area, joined, "joined")

    def order(self, schedule: s_tir.Schedule) -> None:
        y, total, full, words, packed = (
            schedule.get_sblock(name) for name in ("y", "total", "joined", "words", "packed")
        )
        line, pixel, _, channel = schedule.get_loops(y)
        strip, row = schedule.split(line, [None, self.rows])
        schedule.reorder(strip, channel, row, pixel)
        schedule.compute_at(total, channel, preserve_unit_loops=True)
        n = schedule.get_loops(total)[-1]
        g, k = schedule.split(n, [None, PIXELS])
        schedule.unroll(k)
        schedule.compute_at(full, g, preserve_unit_loops=True)
        schedule.compute_at(words, channel, preserve_unit_loops=True)
        schedule.compute_at(packed, strip, preserve_unit_loops=True)
        *_, g, c, line = schedule.get_loops(packed)
        schedule.reorder(g, line, c)
        if (frame := frame_of(schedule)) is not None:
            schedule.compute_at(frame, strip, preserve_unit_loops=True)
        *_, lane, k0, _ = schedule.get_loops(words)
        schedule.tensorize(lane if self.rows > 1 else k0, _summing(self))

    @property
    def imported(self) -> str:
        return sum_function(self.rows, self.taps, self.unrolled, self.dual)


def _summing(plan: PolynomialPlan) -> str:
    """Register a column of words over all channels of a chunk; return its name."""
    rows, taps, channels = plan.rows, plan.taps, plan.chunks.channels

    def meaning(a: Expr, w: Expr, sums: Expr) -> None:
        with loops(rows, channels, taps) as (r, c, k), ir.sblock("sum"):
            i = axis(rows, r)
            j, l = axis(channels, c, ir.axis.reduce), axis(taps, k, ir.axis.reduce)
            ir.reads(sums[i], a[j, i + l], w[j, l])
            ir.writes(sums[i])
            with ir.init():
                ir.buffer_store(sums, tirx.const(0, "int64"), [i])
            product = a[j, i + l].astype("int64") * w[j, l].astype("int64")
            ir.buffer_store(sums, sums[i] + product, [i])

    def emit(a: Expr, w: Expr, sums: Expr) -> None:
        ir.evaluate(
            tirx.call_extern(
                "void",
                sum_name(rows, taps, plan.unrolled, plan.dual),
                tirx.address_of(a[0, 0]),
                tirx.address_of(w[0, 0]),
                channels // plan.unrolled,
                tirx.address_of(sums[0]),
            )
        )

    return intrinsic(
        f"n2uqc.polynomial.{rows}x{taps}x{channels}",
        meaning,
        emit,
        [
            ((channels, rows + taps - 1), "int32", "global"),
            ((channels, taps), "int32", "global"),
            ((rows,), "int64", "global"),
        ],
    )


def plans(layer: Layer, vectors: Vectors) -> Iterator[PolynomialPlan]:
    """Yield a plan for every number of chunks and rows that fields and registers hold."""
    op, weight, (lo, hi) = layer.op, layer.weight, layer.codes
    out, taps, width, depth = weight.shape
    if not vectors.has("dsp") or not vectors.scalar:
        return
    if width != TAPS or taps == 1 or not layer.is_dense:
        return
    # A word of codes or taps must fit 32 bits with its sign.
    if max(-lo, hi, int(np.abs(weight).max())) >= 1 << (31 - 2 * FIELD):
        return
    dual = vectors.has("dual-issue")
    rows_of_map, columns, _ = layer.shape
    dropped = min(op.pads[1], TAPS - 1) if op.pad_value == 0 else 0
    words = -(-(columns + TAPS - 1 - dropped) // PIXELS)
    for cut in chunks(weight, np.full(depth, lo), np.full(depth, hi)):
        unrolled = next(n for n in (4, 3, 5, 7, 2, 1) if cut.channels % n == 0)
        for rows in _ROWS:
            if free_registers(rows, taps) < 1:
                continue
            strips = -(-rows_of_map // rows)
            cycles_each = cycles(rows, taps, unrolled, dual)
            each = cut.number * (cut.channels * cycles_each + 25 * rows + 60)
            packing = (rows + taps - 1) * cut.number * cut.channels * 9
            yield PolynomialPlan(
                layer=layer,
                instructions=strips * words * (out * each + packing)
                + 9.0 * rows_of_map * columns * out,
                rows=rows,
                words=words,
                dropped=dropped,
                chunks=cut,
                unrolled=unrolled,
                dual=dual,
            )


KERNELS = (convolution_kernel("polynomial convolution", plans),)
