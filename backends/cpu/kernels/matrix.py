"""Convolutions and fully connected layers as matrix products of codes with weights.

A row of the left operand is an output pixel's window.  In memory a window is a few runs of
neighbouring elements: a row of the kernel by all channels, or only the channels of one tap where
taps are apart.  Each run is copied, with zeros behind it up to whole vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, PricedKernel, Vectors, computing_dtype, reads
from .gemm import Gemm, Plan, plans
from .results import Area, computing, cover, lanes_of, results
from .tiling import Grid, grids
from .window import container, cut_at_edges, framed

_LANES = 8
_COPY, _MASKED = 3, 4
"""Estimate: instructions that copy eight codes of a window, and that blank the surplus where a run
is no multiple of vectors long: counted in 3x3 layers of 64 and of 81 channels (LLVM 22)."""


@dataclass(frozen=True)
class Runs:
    """A window as runs of neighbouring elements of a padded map.

    Attributes:
        high, wide: runs of a window: rows, and taps of a row that are apart.
        length: elements of a run.
        rounded: the same with a surplus.
    """

    high: int
    wide: int
    length: int
    rounded: int

    @property
    def count(self) -> int:
        return self.high * self.wide


def runs(op: Conv, shape: tuple[int, ...], unit: int) -> Runs:
    """The runs of a convolution's window, for weights (O, KH, KW, I / groups)."""
    _, height, width, depth = shape
    whole = op.groups == 1 and (op.dilation[1] == 1 or width == 1)
    wide, length = (1, width * depth) if whole else (width, depth)
    # A single run is rounded by the plan.
    rounded = length if height * wide == 1 else -(-length // unit) * unit
    return Runs(height, wide, length, rounded)


def products(weight: NDArray[np.int64], op: Conv, each: Runs, lo: int, hi: int) -> Gemm:
    """One matrix product for each group, K in the order of runs, whose surplus meets zeros."""
    out = len(weight) // op.groups
    whole = np.zeros((op.groups, out, each.count, each.rounded), np.int64)
    whole[..., : each.length] = weight.reshape(op.groups, out, each.count, each.length)
    real = np.tile(np.arange(each.rounded) < each.length, (op.groups, each.count))
    return Gemm(whole.reshape(op.groups, out, -1), lo * real, hi * real)


@dataclass(frozen=True)
class Work:
    """A convolution planned: how its windows lie in memory, what multiplies them, in which order.

    Attributes:
        plan: of the products.
        runs: of a window.
        grid: of output pixels.
        centre: what is taken off the codes first, so that their sums stay small.
        instructions: estimate of everything but what follows the convolution.
    """

    plan: Plan
    runs: Runs
    grid: Grid
    centre: int
    instructions: float

    @property
    def reason(self) -> str:
        return f"{self.plan.reason}; {self.plan.rows}x{self.plan.outs} in registers"


def flat(op: Conv, shape: tuple[int, ...]) -> bool:
    """Whether the map's rows do not matter: a window is a pixel."""
    return (*shape[1:3], *op.stride) == (1, 1, 1, 1) and not any(op.pads)


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None if no micro-kernel can multiply these numbers."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    height, width, out = int_type(program, op.output).shape
    if flat(op, weight.shape):
        height, width = 1, height * width
    pads = [op.pad_value] if any(op.pads) else []
    lo, hi = min(kind.lo, *pads, 0), max(kind.hi, *pads, 0)
    # Where the map is copied anyway.
    centre = (lo + hi + 1) // 2 if pads and 1 < hi < 256 else 0
    lo, hi = lo - centre, hi - centre
    best = None
    for unit in (8, 16, 32):
        each = runs(op, weight.shape, unit)
        if unit > 8 and each == runs(op, weight.shape, unit // 2):
            continue
        gemm = products(weight, op, each, lo, hi)
        copying = _COPY + (_MASKED if each.rounded > each.length else 0)
        if vectors.count <= 16:
            copying *= 2  # ARMv7's loads and stores have no offsets
        for plan in plans(gemm, vectors, packing=True):
            if each.count > 1 and each.rounded % plan.depth and plan.depth % each.rounded:
                continue
            for grid in grids(height, width, plan.rows):
                copied = copying * len(gemm.weights) * plan.depths * plan.depth / _LANES
                each_row = copied + plan.reading * out / _LANES
                blocks = grid.strips * grid.blocks
                cost = (
                    blocks
                    * (plan.blocks * len(gemm.weights) * plan.instructions + plan.rows * each_row)
                    + plan.expanding
                )
                if best is None or vectors.work(cost, plan.size) < vectors.work(
                    best.instructions, best.plan.size
                ):
                    best = Work(plan, each, grid, centre, cost)
    return best


def build(body: Body, job: Work) -> tirx.PrimFunc:
    """The scheduled function: padded copy, windows, products, the group's rest."""
    op, plan, grid, each = convolution(body.group), job.plan, job.grid, job.runs
    kind, weight = body.kind(op.inputs[0]), body.constant(op.weight).values
    (height, width, channels), shape = kind.shape, body.kind(op.output).shape
    depth = weight.shape[3]
    single = flat(op, weight.shape)
    if single:
        height, width = 1, height * width
        shape = (1, shape[0] * shape[1], shape[2])
    real = Area(*shape[:2], op.groups, shape[2] // op.groups)
    whole = Area(
        grid.strips * grid.high, grid.blocks * grid.wide, op.groups, plan.blocks * plan.outs
    )
    cover(body, real, whole.channels)
    x = body.tensor(op.inputs[0], (height, width, channels))
    top, left_pad, _, _ = op.pads
    reach = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(
            (grid.strips * grid.high, grid.blocks * grid.wide),
            op.stride,
            weight.shape[1:3],
            op.dilation,
            strict=True,
        )
    ]
    length = plan.depths * plan.depth if each.count == 1 else each.rounded
    slack = -(-(length - each.length) // channels)
    size = (max(reach[0], height), max(reach[1] + slack, width), channels)
    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    memory = kind.container.name
    if any(op.pads):
        memory = container(low - job.centre, high - job.centre)
    source = framed(x, (top, left_pad), size, op.pad_value, memory, job.centre)

    def window(g: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
        at = k * plan.depth + d
        run, at = at // length, at % length
        row, column = run // each.wide * op.dilation[0], run % each.wide * op.dilation[1]
        y = (s * grid.high + r // grid.wide) * op.stride[0] + row
        z = (n * grid.wide + r % grid.wide) * op.stride[1] + column
        place = g * depth + at
        code = source[y, z + place // channels, place % channels]
        if each.length < length:
            code = tirx.Select(at < each.length, code, tirx.const(0, source.dtype))
        if plan.shift is None:
            return code.astype(plan.left)
        # The range is that of the map, hence the same shift in every group.
        return (code.astype("int16") + int(plan.shift[0])).astype(plan.left)

    codes = te.compute(plan.left_shape(grid.strips, grid.blocks), window, "left")
    product = plan.product(codes, plan.weights(body))
    lo, hi = body.ranges[op.output]
    offset = job.centre * weight.sum(axis=(1, 2, 3)) if job.centre else np.zeros(len(lo), np.int64)
    lacking, table, constant, rest = plan.correction, plan.constant, None, 0
    if lacking is not None and table is not None:
        raw = offset + lacking.ravel()
        narrow = _dtype(lo - offset, hi - offset) if plan.parts > 1 else plan.result
        if _dtype(lo - raw, hi - raw) == narrow:
            offset = raw  # tables and biases take it up
        elif narrow == "int16" and plan.parts > 1 and not np.ptp(lacking):
            rest = int(lacking.flat[0])  # sums of 16 bits wrap around, and wrap back with this
            rest = (rest + (1 << 15)) % (1 << 16) - (1 << 15)
        elif plan.parts > 1:
            offset = raw
        else:
            constant = body.table("constant", table)
    dtype = _dtype(lo - offset, hi - offset)
    wide = max(dtype, plan.result, key=lambda name: np.dtype(name).itemsize)

    def read(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        r = y % grid.high * grid.wide + z % grid.wide
        at = (g, y // grid.high, z // grid.wide, r, o)
        found = plan.read(product, constant, wide, *at).astype(dtype)
        return found + tirx.const(rest, dtype) if rest else found

    total = te.compute(whole, read, "total")
    lanes = lanes_of(plan.outs, plan.result, body.vectors)
    found = results(body, real, whole, lanes, total, offset if offset.any() else None)
    function = body.function(found.y)
    return _scheduled(function, job, lanes) if reads(found.computed, total) else function


def _dtype(lo: NDArray[np.int64], hi: NDArray[np.int64]) -> str:
    return computing_dtype(int(lo.min()), int(hi.max()))


def _scheduled(function: tirx.PrimFunc, job: Work, width: int) -> tirx.PrimFunc:
    schedule, grid = s_tir.Schedule(function), job.grid
    total, product, left = (schedule.get_sblock(name) for name in ("total", "product", "left"))
    line, pixel, group, channel = schedule.get_loops(computing(schedule))
    strip, line = schedule.split(line, [None, grid.high])
    block, pixel = schedule.split(pixel, [None, grid.wide])
    # Whole blocks of outputs, so that the products' region is whole too.
    channel, inner, lanes = schedule.split(channel, [None, job.plan.outs // width, width])
    schedule.reorder(strip, group, channel, inner, line, block, pixel, lanes)
    schedule.compute_at(total, pixel, preserve_unit_loops=True)
    schedule.vectorize(schedule.get_loops(total)[-1])
    schedule.vectorize(lanes)
    if not job.plan.by_block(grid.strips, grid.blocks):
        schedule.compute_at(product, strip, preserve_unit_loops=True)
    job.plan.schedule(schedule)
    *_, unit, _, lane = schedule.get_loops(left)
    piece = job.plan.depth
    if job.runs.count > 1:  # a unit of depth is part of a run, or several of them
        piece = min(piece, job.runs.rounded)
        if job.runs.rounded % job.plan.depth == 0:
            schedule.split(unit, [job.runs.count, None])
    schedule.vectorize(schedule.split(lane, [None, piece])[1])
    cut_at_edges(schedule)
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.reason, lambda body: build(body, job), job.instructions, job.plan.size)


KERNELS = (PricedKernel("matrix product", _offer),)
