"""Fixed-point convolution as products of bytes, where the processor multiplies bytes best.

With the dot products and matrix products of bytes that ARM has since Armv8.2 and 8.6, sixteen
bits times sixteen bits cost less as four products of bytes than as one.  Numbers are cut into
digits of base 256 with a sign (limbs): ``x = 256 h + l + 128`` with ``h = x >> 8`` and ``l`` the
low byte less 128; weights ``w = 256 h + l`` with ``l`` the low byte taken as signed.  Every pair of
digits is a matrix product of its own, and all are added up behind them.  What 128 brings in is a
constant of each output channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, PricedKernel, Vectors, reads
from .gemm import Gemm, Plan, plans
from .results import Area, computing, cover, results
from .tiling import Grid, grids
from .window import container, cut_at_edges, framed

IntArray = NDArray[np.int64]

_PIECE = 8  # bytes of a window row that are copied at once
_LANES = 8  # outputs behind sums of 32 bits
_BYTE = 8
_FEATURES = {"dotprod", "i8mm"}


@dataclass(frozen=True)
class Digits:
    """Numbers of a range as bytes.

    Attributes:
        offset: subtracted before.
        ends: (least, greatest) of each digit, the high one first.
    """

    offset: int
    ends: tuple[tuple[int, int], ...]


def digits_of(lo: int, hi: int) -> Digits | None:
    """One byte, or two; None for a wider range."""
    for offset in (0, 128):
        if -128 <= lo - offset and hi - offset <= 127:
            return Digits(offset, ((lo - offset, hi - offset),))
    if -(1 << 15) <= lo and hi < 1 << 15:
        return Digits(128, ((lo >> _BYTE, hi >> _BYTE), (-128, 127)))
    return None


def weight_digits(weight: IntArray) -> tuple[IntArray, IntArray] | None:
    """Weights as signed bytes (digits, *shape), the high one first, and a sign for each output.

    The digits of 16 bits reach a little further below zero than above, so outputs with a weight
    close to the upper end are computed negated.  None if that does not help.
    """
    if -128 <= weight.min() and weight.max() <= 127:
        return weight[None], np.ones(len(weight), np.int64)
    flat = weight.reshape(len(weight), -1)
    signs = np.where(flat.max(axis=1) + 128 >= 1 << 15, -1, 1)
    turned = weight * signs.reshape(-1, *[1] * (weight.ndim - 1))
    low = (turned + 128 & 255) - 128
    high = turned - low >> _BYTE
    return (np.stack([high, low]), signs) if high.min() >= -128 and high.max() <= 127 else None


@dataclass(frozen=True)
class Work:
    """A convolution planned.

    Attributes:
        plan: of the products: one for each digit of the input by each of the weights.
        digits: of the input.
        signs: of the outputs.
        run: bytes of a window row, rounded up.
        grid: of output pixels.
        instructions: estimate.
        reason: what was proven.
    """

    plan: Plan
    digits: Digits
    signs: IntArray
    run: int
    grid: Grid
    instructions: float
    reason: str

    @property
    def weight_digits(self) -> int:
        return len(self.plan.gemm.weights) // len(self.digits.ends)


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None where the convolution has another form."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    height, width, out = int_type(program, op.output).shape
    lo, hi = min(kind.lo, op.pad_value, 0), max(kind.hi, op.pad_value, 0)
    digits, cut = digits_of(lo, hi), weight_digits(weight)
    if digits is None or cut is None or not _FEATURES & vectors.features:
        return None
    parts, signs = cut
    if op.groups > 1 or op.dilation[1] > 1 or len(parts) * len(digits.ends) == 1:
        return None
    kh, length = weight.shape[1], weight.shape[2] * weight.shape[3]
    run = -(-length // _PIECE) * _PIECE
    rows = np.zeros((len(parts), out, kh, run), np.int64)
    rows[..., :length] = parts.reshape(len(parts), out, kh, length)
    weights = np.concatenate([rows.reshape(len(parts), out, -1)] * len(digits.ends))
    ends = np.repeat(np.array(digits.ends), len(parts), axis=0)
    low, high = (np.repeat(ends[:, k, None], kh * run, axis=1) for k in range(2))
    gemm, best = Gemm(weights, low, high), None
    for plan in plans(gemm, vectors):
        if (
            plan.left != "int8"
            or plan.correction is not None
            or plan.parts > 1
            or plan.depth % _PIECE
        ):
            continue
        batch, deep = len(weights), plan.depths * plan.depth
        for grid in grids(height, width, plan.rows):
            each_row = 2 * batch * deep / _PIECE + (2 * batch + 6) * out / 4
            cost = (
                grid.strips
                * grid.blocks
                * (plan.blocks * batch * plan.instructions + plan.rows * each_row)
            )
            if best is None or cost < best.instructions:
                reason = (
                    f"{plan.reason}; {len(digits.ends)} by {len(parts)} digits of 8 bits; "
                    f"{plan.rows}x{plan.outs} in registers"
                )
                best = Work(plan, digits, signs, run, grid, cost, reason)
    return best


def build(body: Body, job: Work) -> tirx.PrimFunc:
    """The scheduled function: padded copy, its digits, windows, products, the group's rest."""
    op, plan, grid, digits = convolution(body.group), job.plan, job.grid, job.digits
    kind, shape = body.kind(op.inputs[0]), body.kind(op.output).shape
    channels, weight = kind.shape[2], body.constant(op.weight).values
    real = Area(*shape[:2], 1, shape[2])
    whole = Area(grid.strips * grid.high, grid.blocks * grid.wide, 1, plan.blocks * plan.outs)
    cover(body, real, whole.channels)
    x = body.tensor(op.inputs[0], (kind.shape[0], kind.shape[1] * channels, 1))
    step, deep = op.stride[1] * channels, plan.depths * plan.depth
    # Behind the last row of a window may stand surplus of K, and behind a row's end its own.
    taps = -(-deep // job.run)
    size = (
        max(
            (whole.rows - 1) * op.stride[0] + (taps - 1) * op.dilation[0] + 1,
            op.pads[0] + kind.shape[0],
        ),
        max((whole.columns - 1) * step + job.run, (op.pads[1] + kind.shape[1]) * channels),
        1,
    )
    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    origin = (op.pads[0], op.pads[1] * channels)
    source = framed(x, origin, size, op.pad_value, container(low, high))

    def digit(k: Expr, y: Expr, z: Expr) -> Expr:
        number = source[y, z, 0]
        if len(digits.ends) == 1:
            return (number.astype("int16") - digits.offset).astype("int8")
        number = number.astype("int16")
        # Bytes wrap around: the low one less 128 is itself with the top bit turned.
        least = number.astype("int8") ^ tirx.const(-128, "int8")
        return tirx.Select(k == 0, (number >> tirx.const(_BYTE, "int16")).astype("int8"), least)

    cuts = te.compute((len(digits.ends), *size[:2]), digit, "digits")

    def window(b: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
        at = k * plan.depth + d
        y = (s * grid.high + r // grid.wide) * op.stride[0] + at // job.run * op.dilation[0]
        z = (n * grid.wide + r % grid.wide) * step + at % job.run
        return cuts[b // job.weight_digits, y, z]

    left = te.compute(plan.left_shape(grid.strips, grid.blocks), window, "left")
    product = plan.product(left, body.table("weight", plan.arranged_weights))
    sign = body.row("sign", job.signs, "int32")

    def read(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        r = y % grid.high * grid.wide + z % grid.wide
        sums: dict[int, Expr] = {}
        for b in range(len(plan.gemm.weights)):
            place = len(digits.ends) - 1 - b // job.weight_digits
            place += job.weight_digits - 1 - b % job.weight_digits
            each = plan.read(product, None, "int32", b, y // grid.high, z // grid.wide, r, o)
            sums[place] = sums[place] + each if place in sums else each
        total = None
        for place, each in sums.items():
            term = (each * sign(o)).astype("int64") << tirx.const(_BYTE * place, "int64")
            total = term if total is None else total + term
        return total

    total = te.compute(whole, read, "total")
    offset = digits.offset * weight.reshape(len(weight), -1).sum(axis=1)
    lanes = math.gcd(plan.outs, _LANES)
    found = results(body, real, whole, lanes, total, offset if digits.offset else None)
    function = body.function(found.y)
    return _scheduled(function, job, lanes) if reads(found.computed, total) else function


def _scheduled(function: tirx.PrimFunc, job: Work, width: int) -> tirx.PrimFunc:
    schedule, grid = s_tir.Schedule(function), job.grid
    total, product, left, digits = (
        schedule.get_sblock(name) for name in ("total", "product", "left", "digits")
    )
    line, pixel, _, channel = schedule.get_loops(computing(schedule))
    strip, line = schedule.split(line, [None, grid.high])
    block, pixel = schedule.split(pixel, [None, grid.wide])
    channel, inner, lanes = schedule.split(channel, [None, job.plan.outs // width, width])
    schedule.reorder(strip, channel, inner, line, block, pixel, lanes)
    schedule.compute_at(total, pixel, preserve_unit_loops=True)
    schedule.vectorize(schedule.get_loops(total)[-1])
    schedule.vectorize(lanes)
    schedule.compute_at(product, strip, preserve_unit_loops=True)
    job.plan.schedule(schedule)
    schedule.vectorize(schedule.split(schedule.get_loops(left)[-1], [None, _PIECE])[1])
    each = schedule.get_loops(digits)[0]
    schedule.unroll(each)
    cut_at_edges(schedule)
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.reason, lambda body: build(body, job), job.instructions)


KERNELS = (PricedKernel("fixed-point convolution by bytes", _offer),)
