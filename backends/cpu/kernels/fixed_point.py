"""Convolution of fixed-point numbers: stems, downsampling without codes, heads.

Inputs and weights are of 8 to 32 bits, so accumulators exceed 32.  Vectors hold output channels;
each meets one activation, picked from a register (NEON's multiplication by element), so the
activations of a window lie in a row behind each other.

Numbers of up to 16 bits are multiplied to 32 (``SMLAL.4S``: four products an instruction).  Where
the whole sum may leave 32 bits, it is cut into chunks of taps whose sums provably do not, for the
actual weights and the input's range, and accumulators that wrap around are read between them.
Wider numbers are multiplied to 64 bits (``SMLAL.2D``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx
from tvm.script.ir_builder import tirx as ir

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, PricedKernel, Vectors, reads
from .gemm.tensorize import intrinsic as register_intrinsic
from .results import Area, computing, cover, results
from .taps import Sums, sums, units
from .window import container, cut_at_edges, framed
from .wrapping import LANES, Chain, boundary

_SHARE = 1 / 2  # of the registers, for accumulators: weights and activations need some too


@dataclass(frozen=True, eq=False)
class Work:
    """A convolution planned.

    Attributes:
        packed: weights (blocks, units, depth, lanes), zeros behind output channels and behind the
            taps of a window row.
        run: taps of a window row, rounded up to whole vectors.
        pixels: neighbours of a row that share a weight in registers.
        sums: of each output.
        instructions: estimate.
    """

    packed: NDArray[np.integer]
    run: int
    pixels: int
    sums: Sums
    instructions: float

    @property
    def depth(self) -> int:
        return int(self.packed.shape[2])

    @property
    def lanes(self) -> int:
        return int(self.packed.shape[3])


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None where the convolution has another form."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    height, width, out = int_type(program, op.output).shape
    # With the 16 registers of 32-bit ARM, LLVM makes more of the plain loops.
    if "neon" not in vectors.features or vectors.count < 32:
        return None
    if op.groups > 1 or op.dilation[1] > 1:
        return None
    parts = units(weight)
    found = sums(
        parts,
        min(kind.lo, op.pad_value, 0),
        max(kind.hi, op.pad_value, 0),
        op.partial_bound(kind, program.constants),
    )
    if found is None:
        return None
    blocks = -(-out // LANES)
    whole = np.zeros((blocks * LANES, *parts.shape[1:]), np.int64)
    whole[:out] = parts
    packed = whole.reshape(blocks, LANES, *parts.shape[1:]).transpose(0, 2, 3, 1)
    packed = packed.astype(
        np.int16
        if found.operand == "int16"
        else container(min(int(weight.min()), -1), int(weight.max()))
    )
    run = -(-weight.shape[2] * weight.shape[3] // LANES) * LANES
    best: Work | None = None
    for pixels in range(1, max(int(vectors.count * _SHARE) // found.registers, 1) + 1):
        if width % pixels:
            continue
        each = found.instructions(pixels) + parts.shape[2] / 8 * pixels
        cost = each * parts.shape[1] * height * (width // pixels) * blocks
        if best is None or cost < best.instructions:
            best = Work(np.ascontiguousarray(packed), run, pixels, found, cost)
    return best


def _update(job: Work) -> str:
    """One unit of a tile as a tensor intrinsic; its name."""
    pixels, depth, lanes, how = job.pixels, job.depth, job.lanes, job.sums
    picked, wide = 16 // np.dtype(how.operand).itemsize, f"{how.product}x{lanes}"

    def meaning(left: Expr, weights: Expr, sums: Expr) -> None:
        # Schedules leave out loops of a single step.
        with ir.grid(*[n for n in (pixels, depth, lanes) if n > 1]) as loops:
            *rows, k, o = loops
            with ir.sblock("update"):
                i = ir.axis.spatial(pixels, rows[0]) if rows else 0
                j, d = ir.axis.spatial(lanes, o), ir.axis.reduce(depth, k)
                product = left[i, d].astype(how.total) * weights[d, j].astype(how.total)
                ir.buffer_store(sums, sums[i, j] + product, [i, j])

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        places = [(p, tirx.Ramp(0, 1, lanes)) for p in range(pixels)]

        def products(k: int) -> Iterator[Expr]:
            factor = weights.vload([k, 0], f"{job.packed.dtype.name}x{lanes}").astype(wide)
            for p in range(pixels):
                vector = left.vload([p, k // picked * picked], f"{how.operand}x{picked}")
                element = tirx.Shuffle(
                    [vector] * (lanes // picked), [tirx.const(k % picked, "int32")] * lanes
                )
                yield element.astype(wide) * factor

        if how.readings is None:
            totals = [sums[place] for place in places]
            for chunk in how.chunks:
                for k in chunk:
                    totals = [ir.bind(x + y) for x, y in zip(totals, products(k), strict=True)]
                boundary(*totals)
        else:
            chains = [Chain() for _ in places]
            for n, chunk in enumerate(how.chunks):
                for k in chunk:
                    for chain, product in zip(chains, products(k), strict=True):
                        chain.accumulate(product)
                if n < how.readings.count:
                    for chain in chains:
                        chain.read(how.readings.shift)
                    boundary(*(chain.risen for chain in chains))
            totals = [
                sums[place] + chain.total(how.readings.shift)
                for place, chain in zip(places, chains, strict=True)
            ]
        for place, total in zip(places, totals, strict=True):
            ir.buffer_store(sums, total, list(place))

    return register_intrinsic(
        "n2uqc.fixed_point",
        meaning,
        emit,
        [
            ((pixels, depth), how.operand, "global"),
            ((depth, lanes), job.packed.dtype.name, "global"),
            ((pixels, lanes), how.total, "local"),
        ],
        updates=True,
    )


def build(body: Body, job: Work) -> tirx.PrimFunc:
    """The scheduled function: padded copy, windows in rows, sums, the group's rest."""
    op = convolution(body.group)
    kind, shape = body.kind(op.inputs[0]), body.kind(op.output).shape
    kh = body.constant(op.weight).values.shape[1]
    channels, (height, width, out) = kind.shape[2], shape
    real = Area(height, width, 1, out)
    whole = Area(height, width, 1, len(job.packed) * job.lanes)
    cover(body, real, whole.channels)
    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    run = job.run
    rows = (height - 1) * op.stride[0] + (kh - 1) * op.dilation[0] + 1
    # A row of the map is one run of numbers; a window's may reach beyond its last pixel.
    x = body.tensor(op.inputs[0], (kind.shape[0], kind.shape[1] * channels, 1))
    size = (rows, (width - 1) * op.stride[1] * channels + run, 1)
    origin = (op.pads[0], op.pads[1] * channels)
    source = framed(x, origin, size, op.pad_value, container(low, high))
    weights = body.table("weight", job.packed)
    blocks, parts, depth, lanes = job.packed.shape

    def window(y: Expr, n: Expr, u: Expr, p: Expr, d: Expr) -> Expr:
        tap = u * depth + d
        place = (n * job.pixels + p) * op.stride[1] * channels + tap % run
        line = y * op.stride[0] + tap // run * op.dilation[0]
        return source[line, place, 0].astype(job.sums.operand)

    left = te.compute((height, width // job.pixels, parts, job.pixels, depth), window, "left")
    u, d = te.reduce_axis((0, parts), "u"), te.reduce_axis((0, depth), "d")
    total = te.compute(
        (height, blocks, width // job.pixels, job.pixels, lanes),
        lambda y, b, n, p, l: te.sum(
            left[y, n, u, p, d].astype(job.sums.total) * weights[b, u, d, l].astype(job.sums.total),
            axis=[u, d],
        ),
        "total",
    )

    def at(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        return total(y, o // lanes, z // job.pixels, z % job.pixels, o % lanes)

    found = results(body, real, whole, lanes, at)
    function = body.function(found.y)
    return _scheduled(function, job) if reads(found.computed, total) else function


def _scheduled(function: tirx.PrimFunc, job: Work) -> tirx.PrimFunc:
    schedule = s_tir.Schedule(function)
    total, left = (schedule.get_sblock(name) for name in ("total", "left"))
    row, pixel, _, channel = schedule.get_loops(computing(schedule))
    pixel, pixels = schedule.split(pixel, [None, job.pixels])
    channel, lanes = schedule.split(channel, [None, job.lanes])
    # All weights of a unit are written out: were they the same for the next tile, LLVM would keep
    # them on the stack.
    schedule.reorder(row, pixel, channel, pixels, lanes)
    schedule.vectorize(lanes)
    schedule.unroll(pixels)
    schedule.compute_at(total, channel, preserve_unit_loops=True)
    schedule.compute_at(left, row, preserve_unit_loops=True)
    schedule.set_scope(total, 0, "local")
    _, p, lane, unit, d = schedule.get_loops(total)[-5:]
    schedule.reorder(unit, p, d, lane)
    first = schedule.get_loops(schedule.decompose_reduction(total, unit))[-2:]
    schedule.unroll(first[0])
    schedule.vectorize(first[1])
    schedule.tensorize(p if job.pixels > 1 else d, _update(job))
    *_, taps = schedule.get_loops(left)
    _, vector, tap = schedule.split(taps, [None, min(job.run, job.depth) // LANES, LANES])
    schedule.unroll(vector)
    schedule.vectorize(tap)
    cut_at_edges(schedule)
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    job = work(convolution(group), program, vectors)
    if job is None:
        return None
    return Offer(job.sums.reason, lambda body: build(body, job), job.instructions)


KERNELS = (PricedKernel("fixed-point convolution", _offer),)
