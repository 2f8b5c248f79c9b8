"""Convolution by polynomials packed into integers, for processors without vectors.

Codes of three neighbouring pixels are the coefficients of a polynomial, the three taps of a row of
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

import numpy as np
from tvm import s_tir, te, tirx
from tvm.script.ir_builder import tirx as ir

from n2uqc.passes.program import Program

from ...tir import IMPORTED
from ..grouping import Group, convolution
from .base import Body, Expr, Offer, Place, PricedKernel, Vectors, computing_dtype, reads
from .elementwise import follow
from .gemm.tensorize import axis, intrinsic, loops
from .polynomial_plan import FIELD, PIXELS, TAPS, Work, packed_taps, work
from .polynomial_sum import sum_function, sum_name
from .window import container, cut_at_edges, framed


def high_half(word: Expr) -> Expr:
    """The upper 32 bits."""
    return (word >> tirx.const(32, "int64")).astype("int32")


def extracted(word: Expr, index: Expr) -> Expr:
    """A coefficient 0, 1 or 2 of a word as int32; the lower ones, less than a half, are rounded
    away.  The index is a constant once loops are unrolled.  Sums are masked first: they may not
    overflow, though nobody reads the bits that would."""
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


def build(body: Body, job: Work) -> tirx.PrimFunc:
    """The scheduled function: padded rows, packed words, sums, coefficients, the group's rest."""
    op = convolution(body.group)
    kind, shape = body.kind(op.inputs[0]), body.kind(op.output).shape
    weight = body.constant(op.weight).values
    out, taps = weight.shape[:2]
    body.slots = np.arange(out)
    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    depth = job.chunks * job.channels
    lines = job.rows + taps - 1
    x = body.tensor(op.inputs[0], kind.shape)
    top, left, _, _ = op.pads
    size = (job.strips * job.rows + taps - 1, job.words * PIXELS, depth)
    source = framed(x, (top, left - job.dropped), size, op.pad_value, container(low, high))
    w = body.table("weight", packed_taps(weight, job.chunks, job.channels))

    def pack(s: Expr, g: Expr, c: Expr, line: Expr) -> Expr:
        word = tirx.const(0, "int32")
        for i in range(PIXELS):
            code = source[s * job.rows + line, g * PIXELS + i, c].astype("int32")
            word = word + (code << tirx.const(FIELD * i, "int32"))
        return word

    packed = te.compute((job.strips, job.words, depth, lines), pack, "packed")
    k0, k1 = te.reduce_axis((0, job.channels), "k0"), te.reduce_axis((0, taps), "k1")

    def product(s: Expr, o: Expr, part: Expr, g: Expr, r: Expr) -> Expr:
        c = part * job.channels + k0
        factor = w[part, o, k0, k1].astype("int64")
        return te.sum(packed[s, g, c, r + k1].astype("int64") * factor, axis=[k0, k1])

    area = (job.strips, out, job.chunks, job.words, job.rows)
    stored = te.compute(area, product, "words")

    def joined(s: Expr, o: Expr, part: Expr, g: Expr, r: Expr) -> Expr:
        """The word with what the one before it has for its first two coefficients.

        That is its value divided by 2^39 and rounded, for the lower ones are less than a half.
        """
        before = high_half(stored[s, o, part, g - 1, r])
        shift = 3 * FIELD - 32
        rest = (before + tirx.const(1 << (shift - 1), "int32")) >> tirx.const(shift, "int32")
        rest = tirx.if_then_else(g > 0, rest, tirx.const(0, "int32"))
        return stored[s, o, part, g, r] + rest.astype("int64")

    full = te.compute(area, joined, "joined")
    value = body.value(op.output, None)
    dtype = max(computing_dtype(*value.range), "int16" if job.chunks == 1 else "int32")

    def coefficient(s: Expr, o: Expr, r: Expr, n: Expr) -> Expr:
        parts = [
            extracted(full[s, o, part, n // PIXELS, r], n % PIXELS) for part in range(job.chunks)
        ]
        return functools.reduce(operator.add, parts).astype(dtype)

    row = (job.strips, out, job.rows, job.words * PIXELS)
    totals = te.compute(row, coefficient, "total")
    others = {n: body.tensor(n, shape) for n in body.group.others}

    def element(y: Expr, z: Expr, o: Expr) -> Expr:
        total = totals(y // job.rows, o, y % job.rows, z + TAPS - 1 - job.dropped)
        place = Place(o, lambda name: others[name](y, z, o))
        value = body.value(op.output, total)
        return body.result(follow(body, body.group.ops[1:], value, place))

    y = te.compute(shape, element, "y")
    function = body.function(y)
    if not reads(y, totals):
        return function
    return _scheduled(function, job, taps, padded=source is not x)


def _scheduled(function: tirx.PrimFunc, job: Work, taps: int, padded: bool) -> tirx.PrimFunc:
    schedule = s_tir.Schedule(function)
    y, total, full, words, packed = (
        schedule.get_sblock(name) for name in ("y", "total", "joined", "words", "packed")
    )
    line, pixel, channel = schedule.get_loops(y)
    strip, row = schedule.split(line, [None, job.rows])
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
    if padded:
        schedule.compute_at(schedule.get_sblock("padded"), strip, preserve_unit_loops=True)
        cut_at_edges(schedule)
    *_, lane, k0, _k1 = schedule.get_loops(words)
    schedule.tensorize(lane if job.rows > 1 else k0, _summing(job, taps))
    loop = sum_function(job.rows, taps, job.unrolled, job.dual)
    return schedule.mod["main"].with_attr(IMPORTED, loop)


def _summing(job: Work, taps: int) -> str:
    """A column of words over all channels of a chunk as a tensor intrinsic; its name."""
    rows, channels = job.rows, job.channels

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
                sum_name(rows, taps, job.unrolled, job.dual),
                tirx.address_of(a[0, 0]),
                tirx.address_of(w[0, 0]),
                channels // job.unrolled,
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


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.reason, lambda body: build(body, job), job.instructions)


KERNELS = (PricedKernel("polynomial convolution", _offer),)
