"""3x3 convolution of stride 1 with 16 products where 36 are plain: Winograd's F(2x2, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: tiles of 2x2 outputs
are ``A^T [(G g G^T) * (B^T d B)] A``.  Their G has halves.  Here both halves of a pair of products
are whole, and their sum is halved instead; in one dimension, with taps g and codes d,

    m0 = (d0 - d2) g0             m1 = (d1 + d2) (g0 + g1 + g2)
    m3 = (d1 - d3) g2             m2 = (d2 - d1) (g0 - g1 + g2)
    y0 = m0 + h                   h = (m1 + m2) / 2
    y1 = m1 - h - m3

and ``m1 + m2 = 2 (d2 (g0 + g2) + d1 g1)`` is even, so the halving is exact; ``m1 - h`` is
``(m1 - m2) / 2``.  In two dimensions the rows' transform leaves integers that are such sums again.
Channels only add up over all that, which turns the products into 16 matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, PricedKernel, Vectors, computing_dtype, reads
from .gemm import Gemm, Origin, Plan, plans
from .gemm.packing import select
from .results import Area, computing, cover, lanes_of, results
from .tiling import Grid, grids
from .window import container, cut_at_edges, framed

IntArray = NDArray[np.int64]

_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_G = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
_POINTS = 4  # of one dimension
_LANES = 8


def products(weight: IntArray, lo: IntArray, hi: IntArray) -> Gemm:
    """The 16 matrix products: transformed weights and the ranges of transformed codes.

    Args:
        weight: int64 (O, 3, 3, I).
        lo, hi: range of the codes, padding included, int64 (I,).
    """
    out, _, _, depth = weight.shape
    weights = np.einsum("ar,bs,orsi->aboi", _G, _G, weight).reshape(-1, out, depth)
    both = np.einsum("ai,bj->abij", _B, _B).reshape(_POINTS**2, -1)
    plus = np.maximum(both, 0).sum(axis=1)[:, None]
    minus = np.maximum(-both, 0).sum(axis=1)[:, None]
    origin = Origin(weight.transpose(1, 2, 0, 3), _G)
    return Gemm(weights, plus * lo - minus * hi, plus * hi - minus * lo, origin)


def row_bounds(weight: IntArray, lo: IntArray, hi: IntArray) -> int:
    """The largest magnitude after the first of the two inverse transforms.

    What stands there is, for each of the 4 columns, the plain convolution over rows of codes that
    are transformed along columns.
    """
    plus = np.maximum(_B, 0).sum(axis=1)[:, None]
    minus = np.maximum(-_B, 0).sum(axis=1)[:, None]
    low, high = plus * lo - minus * hi, plus * hi - minus * lo
    coefficients = np.einsum("bs,orsi->bori", _G, weight)
    ends = [coefficients * row[:, None, None, :] for row in (low, high)]
    least, greatest = (f(*ends).sum(axis=(2, 3)) for f in (np.minimum, np.maximum))
    return max(-int(least.min()), int(greatest.max()))


def halve(a: Expr, b: Expr, dtype: str, fits: bool) -> Expr:
    """``(a + b) / 2`` of an even sum, which fits the type or not.

    What it need not fit is one instruction on NEON, and four on other processors.
    """
    one = tirx.const(1, dtype)
    return (a + b) >> one if fits else (a & b) + ((a ^ b) >> one)


@dataclass(frozen=True)
class Work:
    """A convolution planned: what to multiply, how, and the widths between the steps.

    Attributes:
        plan: of the products.
        grid: of tiles.
        centre: what is taken off the codes first, so that their sums stay small.
        halved: dtype in which sums over points are halved first, then the second time.
        fits: whether these sums are halved after they have been added up.
        instructions: estimate of everything but what follows the convolution.
    """

    plan: Plan
    grid: Grid
    centre: int
    halved: tuple[str, str]
    fits: tuple[bool, bool]
    instructions: float

    @property
    def reason(self) -> str:
        return (
            f"{self.plan.reason}; {self.plan.rows}x{self.plan.outs} in registers, "
            f"inverse transform in {' and '.join(dict.fromkeys(self.halved))}"
        )


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None where the convolution has another form."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    if weight.shape[1:3] != (3, 3) or (*op.stride, *op.dilation, op.groups) != (1,) * 5:
        return None
    out, _, _, depth = weight.shape
    height, width, _ = int_type(program, op.output).shape
    pads = [op.pad_value] if any(op.pads) else []
    lo, hi = min(kind.lo, *pads, kind.lo), max(kind.hi, *pads, kind.hi)
    centre = (lo + hi + 1) // 2 if hi < 256 and (lo or hi > 1) else 0
    lo, hi = lo - centre, hi - centre
    if max(-lo, hi) > 1 << 13:
        return None
    ends = np.full(depth, lo), np.full(depth, hi)
    gemm = products(weight, *ends)
    least, greatest = gemm.partial_sums(depth)
    bounds = max(-int(least.min()), int(greatest.max())), row_bounds(weight, *ends)
    if max(bounds) >= 1 << 30:
        return None
    first, second = (computing_dtype(-bound, bound) for bound in bounds)
    best = None
    high, wide = -(-height // 2), -(-width // 2)
    for plan in plans(gemm, vectors, packing=True):
        summed = max(first, plan.result, key=lambda name: np.dtype(name).itemsize)
        halved = ("int32" if plan.parts > 1 else summed, second)
        fits = tuple(
            (dtype != "int16" or "neon" not in vectors.features)
            and 2 * bound < 1 << (int(dtype[3:]) - 1)
            for bound, dtype in zip(bounds, halved, strict=True)
        )
        for grid in grids(high, wide, plan.rows):
            registers = [np.dtype(dtype).itemsize // 2 for dtype in halved]
            inverse = 16 * plan.reading + 16 * registers[0] + 12 * registers[1]
            lanes = _LANES if vectors.size > 4 else 1 if "dual-issue" in vectors.features else 0.7
            each = (52 * plan.depths * plan.depth + inverse * out) / lanes
            blocks = grid.strips * grid.blocks * plan.blocks * len(gemm.weights)
            cost = blocks * plan.instructions + grid.size * each + plan.expanding
            if best is None or vectors.work(cost, plan.size) < vectors.work(
                best.instructions, best.plan.size
            ):
                best = Work(plan, grid, centre, halved, (fits[0], fits[1]), cost)
    return best


def _transformed(x: Sequence[Expr], index: Expr) -> Expr:
    """``B^T d`` of one dimension."""
    return select(index, [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]])


def _inverse(m: Sequence[Expr], index: Expr, dtype: str, fits: bool) -> Expr:
    """``A^T m`` of one dimension, with the halving."""
    half = halve(m[1], m[2], dtype, fits)
    return select(index, [m[0] + half, m[1] - half - m[3]])


def build(body: Body, job: Work) -> tirx.PrimFunc:
    """The scheduled function: padded copy, transform, products, inverse, the group's rest."""
    op, plan, grid = convolution(body.group), job.plan, job.grid
    kind, shape = body.kind(op.inputs[0]), body.kind(op.output).shape
    out, tiles = shape[2], (grid.strips * grid.high, grid.blocks * grid.wide)
    deep = plan.depths * plan.depth
    real = Area(*shape[:2], 1, out)
    whole = Area(2 * tiles[0], 2 * tiles[1], 1, plan.blocks * plan.outs)
    cover(body, real, whole.channels)
    low, high = (
        end - job.centre for end in (min(kind.lo, op.pad_value), max(kind.hi, op.pad_value))
    )
    x = body.tensor(op.inputs[0], kind.shape)
    top, left_pad, _, _ = op.pads
    size = (2 * grid.strips * grid.high + 2, 2 * grid.blocks * grid.wide + 2, deep)
    source = framed(x, (top, left_pad), size, op.pad_value, container(low, high), job.centre)
    weights = plan.weights(body)
    constant = None if plan.constant is None else body.table("constant", plan.constant)
    # Bytes wrap around: what fits them in the end may leave them on the way.
    dtype = "int8" if plan.left == "uint8" else plan.left

    def transform_columns(t: Expr, a: Expr, z: Expr, c: Expr) -> Expr:
        return _transformed([source[2 * t + i, z, c].astype(dtype) for i in range(4)], a)

    columns = te.compute(
        (grid.strips * grid.high, _POINTS, size[1], deep),
        transform_columns,
        "columns",
    )

    def transform_rows(b: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
        t, z = s * grid.high + r // grid.wide, 2 * (n * grid.wide + r % grid.wide)
        c = k * plan.depth + d
        row = [columns[t, b // _POINTS, z + i, c] for i in range(4)]
        code = _transformed(row, b % _POINTS)
        if plan.shift is not None:
            code = code + select(b, [tirx.const(int(v), dtype) for v in plan.shift])
        return code.astype(plan.left)

    codes = te.compute(plan.left_shape(grid.strips, grid.blocks), transform_rows, "left")
    product = plan.product(codes, weights)
    first, second = job.halved

    def inverse_rows(t: Expr, z: Expr, i: Expr, b: Expr, o: Expr) -> Expr:
        s, n = t // grid.high, z // grid.wide
        r = t % grid.high * grid.wide + z % grid.wide
        m = [plan.read(product, constant, first, a * _POINTS + b, s, n, r, o) for a in range(4)]
        return _inverse(m, i, first, job.fits[0]).astype(second)

    rows = te.compute((*tiles, 2, _POINTS, whole.channels), inverse_rows, "rows")

    def inverse_columns(t: Expr, z: Expr, i: Expr, j: Expr, o: Expr) -> Expr:
        return _inverse([rows[t, z, i, b, o] for b in range(4)], j, second, job.fits[1])

    total = te.compute((*tiles, 2, 2, whole.channels), inverse_columns, "total")
    lanes = lanes_of(plan.outs, plan.result, body.vectors)
    found = results(
        body,
        real,
        whole,
        lanes,
        lambda y, z, g, o: total(y // 2, z // 2, y % 2, z % 2, o),
        job.centre * body.constant(op.weight).values.sum(axis=(1, 2, 3)) if job.centre else None,
    )
    function = body.function(found.y)
    return _scheduled(function, job, lanes) if reads(found.computed, total) else function


def _scheduled(function: tirx.PrimFunc, job: Work, width: int) -> tirx.PrimFunc:
    schedule, grid = s_tir.Schedule(function), job.grid
    total, rows, product, left, columns = (
        schedule.get_sblock(name) for name in ("total", "rows", "product", "left", "columns")
    )
    line, pixel, _, channel = schedule.get_loops(computing(schedule))
    strip, line, i = schedule.split(line, [None, grid.high, 2])
    pixel, j = schedule.split(pixel, [None, 2])
    # Whole blocks of outputs, so that the products' region is whole too.
    channel, inner, lanes = schedule.split(channel, [None, job.plan.outs // width, width])
    schedule.reorder(strip, channel, inner, line, pixel, i, j, lanes)
    schedule.compute_at(total, pixel, preserve_unit_loops=True)
    schedule.compute_at(rows, pixel, preserve_unit_loops=True)
    for block in (total, rows):
        *_, a, b, lane = schedule.get_loops(block)
        schedule.vectorize(lane)
        schedule.unroll(a)
        schedule.unroll(b)
    schedule.vectorize(lanes)
    schedule.unroll(i)
    schedule.unroll(j)
    if not job.plan.by_block(grid.strips, grid.blocks):
        schedule.compute_at(product, strip, preserve_unit_loops=True)
    job.plan.schedule(schedule)
    *_, batch, strip, block, depth, row, lane = schedule.get_loops(left)
    # Neighbouring tiles share half of their columns; of only two, both would be computed at once,
    # and leave no registers.
    shared = max(n for n in (1, 3, 4, 5, 6, 7, 8) if grid.wide % n == 0)
    row, tile = schedule.split(row, [None, shared])
    schedule.reorder(strip, block, row, depth, tile, batch, lane)
    schedule.compute_at(columns, depth, preserve_unit_loops=True)
    schedule.unroll(tile)
    schedule.unroll(batch)
    schedule.vectorize(lane)
    *_, a, z, lane = schedule.get_loops(columns)
    schedule.unroll(a)
    schedule.unroll(z)
    schedule.vectorize(lane)
    cut_at_edges(schedule)
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.reason, lambda body: build(body, job), job.instructions, job.plan.size)


KERNELS = (PricedKernel("winograd convolution", _offer),)
