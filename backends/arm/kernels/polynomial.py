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
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx
from tvm.script.ir_builder import tirx as ir

from n2uqc.passes.program import Conv, Program

from ...tir import IMPORTED
from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, Place, PricedKernel, Vectors, computing_dtype, reads
from .elementwise import follow
from .gemm.base import _axis, _intrinsic, _loops
from .polynomial_sum import sum_function, sum_name
from .window import container, cut_at_edges, framed

IntArray = NDArray[np.int64]

_FIELD = 13  # bits of a coefficient: three of them with a sign fit 32 bits up to codes of 5 bits
_PIXELS, _TAPS = 3, 3  # in a word
_TOP = 63 - (_PIXELS + _TAPS - 2) * _FIELD  # bits of the last coefficient, below the sign
_ROWS = (4, 3, 2, 1)  # of outputs that are summed together

@dataclass(frozen=True)
class Work:
    """A convolution planned.

    Attributes:
        rows: of outputs in a strip.
        strips, words: of the map.
        dropped: columns of padding at the left that are left out, for they add nothing.
        chunks: of channels, each summed on its own.
        channels: of a chunk.
        unrolled: channels that the innermost loop takes at once.
        dual: the core issues a load beside a product.
        instructions: estimate.
        reason: what was proved, for people.
    """

    rows: int
    strips: int
    words: int
    dropped: int
    chunks: int
    channels: int
    unrolled: int
    dual: bool
    instructions: float
    reason: str


def sums_of(weight: IntArray, lo: IntArray, hi: IntArray, channels: int) -> Iterator[
    tuple[int, int, int]
]:
    """For each chunk of channels the least and greatest sum of a coefficient, and of the last one.

    A coefficient's sum is over any of the taps: a word may hold only some of its terms.

    Args:
        weight: int64 (O, KH, 3, I).
        lo, hi: range of the codes, padding included, int64 (I,).
        channels: of a chunk.

    Yields:
        (least, greatest, greatest magnitude of the last coefficient) of each chunk.
    """
    ends = [weight * row for row in (np.minimum(lo, 0), np.maximum(hi, 0))]
    low, high = np.minimum(*ends), np.maximum(*ends)
    for start in range(0, weight.shape[3], channels):
        part = slice(start, start + channels)
        # The last coefficient has one term for each row and channel: tap 0 times pixel 2.
        last = max(
            int(high[:, :, 0, part].sum(axis=(1, 2)).max()),
            int(-low[:, :, 0, part].sum(axis=(1, 2)).min()),
        )
        yield (int(low[..., part].sum(axis=(1, 2, 3)).min()),
               int(high[..., part].sum(axis=(1, 2, 3)).max()), last)


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None where the convolution has another form."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    if "dsp" not in vectors.features or vectors.size > 4 or weight.shape[2] != _TAPS or (
        weight.shape[1] == 1 or         (*op.stride, *op.dilation, op.groups) != (1,) * 5
    ):
        return None
    out, taps, _, depth = weight.shape
    height, width, _ = int_type(program, op.output).shape
    pads = [op.pad_value] if any(op.pads) else []
    lo, hi = min(kind.lo, *pads, kind.lo), max(kind.hi, *pads, kind.hi)
    # A word of codes or taps must fit 32 bits with its sign.
    if max(-lo, hi, int(np.abs(weight).max())) >= 1 << (31 - 2 * _FIELD):
        return None
    best = None
    dropped = min(op.pads[1], _TAPS - 1) if op.pad_value == 0 else 0
    words = -(-(width + _TAPS - 1 - dropped) // _PIXELS)
    for chunks, channels, least, greatest in _chunks(
        weight, np.full(depth, lo), np.full(depth, hi)
    ):
        unrolled = next(n for n in (4, 3, 5, 7, 2, 1) if channels % n == 0)
        for rows in _ROWS:
            strips = -(-height // rows)
            cycles = _cycles(rows, taps, unrolled, vectors)
            each = chunks * (channels * cycles + 25 * rows + 60)
            packing = (rows + taps - 1) * chunks * channels * 9
            cost = strips * words * (out * each + packing) + 9.0 * height * width * out
            if best is None or cost < best.instructions:
                reason = (
                    f"{_PIXELS} pixels by {_TAPS} taps in a product, {chunks} sums of {channels} "
                    f"channels in {least}..{greatest}, fields of {_FIELD} bits; {rows} rows at once"
                )
                best = Work(rows, strips, words, dropped, chunks, channels, unrolled,
                            "dual-issue" in vectors.features, cost, reason)
    return best


def _cycles(rows: int, taps: int, unrolled: int, vectors: Vectors) -> float:
    """Of the innermost loop for one channel."""
    lines, registers = rows + taps - 1, 12 - 2 * rows - taps  # for codes
    products, loads = rows * taps, lines + taps
    if "dual-issue" in vectors.features:
        return max(products, loads) + (3 if registers < 2 else 1) + 7 / unrolled
    # On a single-issue core a burst of loads takes a cycle more than the words it loads.
    return products + loads + 1 + -(-lines // registers) + 7 / unrolled


def _chunks(
    weight: IntArray, lo: IntArray, hi: IntArray
) -> Iterator[tuple[int, int, int, int]]:
    """The two smallest numbers of chunks whose sums fit: (chunks, their channels, least, greatest
    sum)."""
    depth, found = weight.shape[3], 0
    for channels in range(depth, 0, -1):
        chunks = -(-depth // channels)
        if channels > 1 and -(-depth // (channels - 1)) == chunks:
            continue  # as many chunks of fewer channels
        if channels == 1 < depth:
            return  # more work than without packing
        parts = list(sums_of(weight, lo, hi, channels))
        least, greatest = min(p[0] for p in parts), max(p[1] for p in parts)
        last = max(p[2] for p in parts)
        if max(-least, greatest) < 1 << (_FIELD - 1) and last < (1 << _TOP) - 1:
            yield chunks, max(channels, 2), least, greatest  # TVM drops loops of one step
            found += 1
            if found == 2:
                return


def packed_taps(weight: IntArray, chunks: int, channels: int) -> NDArray[np.int32]:
    """Taps of a row in one word, the last in the lowest field: (chunks, O, channels, KH)."""
    out, taps, _, depth = weight.shape
    words = sum(weight[:, :, _TAPS - 1 - m] << (_FIELD * m) for m in range(_TAPS))
    whole = np.zeros((out, taps, chunks * channels), np.int64)
    whole[:, :, :depth] = words
    split = whole.reshape(out, taps, chunks, channels)
    return np.ascontiguousarray(split.transpose(2, 0, 3, 1)).astype(np.int32)


def high_half(word: Expr) -> Expr:
    """The upper 32 bits."""
    return (word >> tirx.const(32, "int64")).astype("int32")


def extracted(word: Expr, index: Expr) -> Expr:
    """A coefficient 0, 1 or 2 of a word as int32; the lower ones, less than a half, are rounded
    away.  The index is a constant once loops are unrolled.  Sums are masked first: they may not
    overflow, though nobody reads the bits that would."""
    low = word.astype("int32")
    one = tirx.const(1 << (_FIELD - 1), "int32")
    cut = 32 - 2 * _FIELD
    first = low << tirx.const(cut + _FIELD, "int32")
    upper = low & tirx.const((1 << (2 * _FIELD)) - 1, "int32")
    second = (upper + one) << tirx.const(cut, "int32")
    bottom = (low.astype("uint32") >> tirx.const(2 * _FIELD - 1, "uint32")).astype("int32")
    rounded = (bottom + tirx.const(1, "int32")) >> tirx.const(1, "int32")
    high = high_half(word) & tirx.const((1 << _FIELD) - 1, "int32")
    third = rounded + (high << tirx.const(cut, "int32"))
    third = third << tirx.const(32 - _FIELD, "int32")
    chosen = tirx.Select(index == 0, first, tirx.Select(index == 1, second, third))
    return chosen >> tirx.const(32 - _FIELD, "int32")


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
    size = (job.strips * job.rows + taps - 1, job.words * _PIXELS, depth)
    source = framed(x, (top, left - job.dropped), size, op.pad_value, container(low, high))
    w = body.table("weight", packed_taps(weight, job.chunks, job.channels))

    def pack(s: Expr, g: Expr, c: Expr, line: Expr) -> Expr:
        word = tirx.const(0, "int32")
        for i in range(_PIXELS):
            code = source[s * job.rows + line, g * _PIXELS + i, c].astype("int32")
            word = word + (code << tirx.const(_FIELD * i, "int32"))
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
        shift = 3 * _FIELD - 32
        rest = (before + tirx.const(1 << (shift - 1), "int32")) >> tirx.const(shift, "int32")
        rest = tirx.if_then_else(g > 0, rest, tirx.const(0, "int32"))
        return stored[s, o, part, g, r] + rest.astype("int64")

    full = te.compute(area, joined, "joined")
    value = body.value(op.output, None)
    dtype = max(computing_dtype(*value.range), "int16" if job.chunks == 1 else "int32")

    def coefficient(s: Expr, o: Expr, r: Expr, n: Expr) -> Expr:
        parts = [
            extracted(full[s, o, part, n // _PIXELS, r], n % _PIXELS)
            for part in range(job.chunks)
        ]
        return functools.reduce(operator.add, parts).astype(dtype)

    row = (job.strips, out, job.rows, job.words * _PIXELS)
    totals = te.compute(row, coefficient, "total")
    others = {n: body.tensor(n, shape) for n in body.group.others}

    def element(y: Expr, z: Expr, o: Expr) -> Expr:
        total = totals(y // job.rows, o, y % job.rows, z + _TAPS - 1 - job.dropped)
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
    g, k = schedule.split(n, [None, _PIXELS])
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
        with _loops(rows, channels, taps) as (r, c, k), ir.sblock("sum"):
            i = _axis(rows, r)
            j, l = _axis(channels, c, ir.axis.reduce), _axis(taps, k, ir.axis.reduce)
            ir.reads(sums[i], a[j, i + l], w[j, l])
            ir.writes(sums[i])
            with ir.init():
                ir.buffer_store(sums, tirx.const(0, "int64"), [i])
            product = a[j, i + l].astype("int64") * w[j, l].astype("int64")
            ir.buffer_store(sums, sums[i] + product, [i])

    def emit(a: Expr, w: Expr, sums: Expr) -> None:
        ir.evaluate(tirx.call_extern(
            "void", sum_name(rows, taps, job.unrolled, job.dual), tirx.address_of(a[0, 0]),
            tirx.address_of(w[0, 0]), channels // job.unrolled, tirx.address_of(sums[0]),
        ))

    return _intrinsic(f"n2uqc.polynomial.{rows}x{taps}x{channels}", meaning, emit, [
        ((channels, rows + taps - 1), "int32", "global"), ((channels, taps), "int32", "global"),
        ((rows,), "int64", "global"),
    ])


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.reason, lambda body: build(body, job), job.instructions)


KERNELS = (PricedKernel("polynomial convolution", _offer),)
