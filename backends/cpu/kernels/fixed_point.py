"""Convolution of fixed-point numbers: stems, downsampling without codes, heads.

Inputs and weights are of 8 to 32 bits, so accumulators exceed 32.  Vectors hold output channels;
each meets one activation, picked from a register (NEON's multiplication by element), so the
activations of a window lie in a row, one after the other.

Numbers of up to 16 bits are multiplied to 32 (``SMLAL.4S``: four products per instruction).  Where
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

from .body import Body, Expr, Vectors
from .convolution import ConvolutionPlan, Totals, convolution_kernel
from .epilogue import Area, computing
from .gemm.tensorize import intrinsic as register_intrinsic
from .layer import Layer
from .taps import Sums, sums, units
from .window import container, framed
from .wrapping import LANES, WrappingSums, boundary

_SHARE = 1 / 2  # of the registers hold accumulators: weights and activations need some too


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedPointPlan(ConvolutionPlan):
    """A layer by vectors of outputs, to which a window's activations are added one by one.

    Attributes:
        packed: weights (blocks, units, depth, lanes), zeros after the output channels and after the
            taps of a window row.
        run: taps of a window row, rounded up to whole vectors.
        pixels: neighbors of a row that share a weight in registers.
        sums: of each output.
    """

    packed: NDArray[np.integer]
    run: int
    pixels: int
    sums: Sums
    lanes: int = LANES

    @property
    def reason(self) -> str:
        return self.sums.reason

    @property
    def depth(self) -> int:
        """Taps of a unit."""
        return int(self.packed.shape[2])

    @property
    def real(self) -> Area:
        height, width, out = self.layer.shape
        return Area(height, width, 1, out)

    @property
    def whole(self) -> Area:
        return self.real._replace(channels=len(self.packed) * self.lanes)

    def totals(self, body: Body) -> Totals:
        op, pixels, run, lanes = self.layer.op, self.pixels, self.run, self.lanes
        (height, width, channels), size = self.layer.source.shape, self.layer.shape
        kh = self.layer.weight.shape[1]
        rows = (size[0] - 1) * op.stride[0] + (kh - 1) * op.dilation[0] + 1
        # A row of the map is one run of numbers; a window's may reach beyond its last pixel.
        x = body.tensor(op.inputs[0], (height, width * channels, 1))
        reach = (rows, (size[1] - 1) * op.stride[1] * channels + run, 1)
        origin = (op.pads[0], op.pads[1] * channels)
        source = framed(x, origin, reach, self.layer.outside, container(*self.layer.codes))
        weights = body.table("weight", self.packed)
        blocks, parts, depth, _ = self.packed.shape

        def window(y: Expr, n: Expr, u: Expr, p: Expr, d: Expr) -> Expr:
            tap = u * depth + d
            place = (n * pixels + p) * op.stride[1] * channels + tap % run
            line = y * op.stride[0] + tap // run * op.dilation[0]
            return source[line, place, 0].astype(self.sums.operand)

        left = te.compute((size[0], size[1] // pixels, parts, pixels, depth), window, "left")
        u, d = te.reduce_axis((0, parts), "u"), te.reduce_axis((0, depth), "d")
        wide = self.sums.total
        total = te.compute(
            (size[0], blocks, size[1] // pixels, pixels, lanes),
            lambda y, b, n, p, l: te.sum(
                left[y, n, u, p, d].astype(wide) * weights[b, u, d, l].astype(wide), axis=[u, d]
            ),
            "total",
        )
        return Totals(
            total,
            lambda y, z, g, o: total(y, o // lanes, z // pixels, z % pixels, o % lanes),
        )

    def order(self, schedule: s_tir.Schedule) -> None:
        total, left = (schedule.get_sblock(name) for name in ("total", "left"))
        row, pixel, _, channel = schedule.get_loops(computing(schedule))
        pixel, pixels = schedule.split(pixel, [None, self.pixels])
        channel, lanes = schedule.split(channel, [None, self.lanes])
        # All weights of a unit are written out: were they the same for the next tile, LLVM would
        # keep them on the stack.
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
        schedule.tensorize(p if self.pixels > 1 else d, _update(self))
        *_, taps = schedule.get_loops(left)
        _, vector, tap = schedule.split(taps, [None, min(self.run, self.depth) // LANES, LANES])
        schedule.unroll(vector)
        schedule.vectorize(tap)


def _update(plan: FixedPointPlan) -> str:
    """Register the update of a tile by one unit; return the intrinsic's name."""
    pixels, depth, lanes, how = plan.pixels, plan.depth, plan.lanes, plan.sums
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
            factor = weights.vload([k, 0], f"{plan.packed.dtype.name}x{lanes}").astype(wide)
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
            chains = [WrappingSums() for _ in places]
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
            ((depth, lanes), plan.packed.dtype.name, "global"),
            ((pixels, lanes), how.total, "local"),
        ],
        updates=True,
    )


def plans(layer: Layer, vectors: Vectors) -> Iterator[FixedPointPlan]:
    """Yield a plan for every number of pixels that the registers hold."""
    op, weight, (height, width, out) = layer.op, layer.weight, layer.shape
    # On 32-bit ARM, LLVM makes more of the plain loops.
    if not (vectors.has("neon") and vectors.has("many-vectors")):
        return
    if op.groups > 1 or op.dilation[1] > 1:
        return
    parts = units(weight)
    how = sums(parts, *layer.codes_and_zero, layer.bound)
    if how is None:
        return
    blocks = -(-out // LANES)
    whole = np.zeros((blocks * LANES, *parts.shape[1:]), np.int64)
    whole[:out] = parts
    packed = whole.reshape(blocks, LANES, *parts.shape[1:]).transpose(0, 2, 3, 1)
    packed = np.ascontiguousarray(
        packed.astype(
            np.int16
            if how.operand == "int16"
            else container(min(int(weight.min()), -1), int(weight.max()))
        )
    )
    run = -(-weight.shape[2] * weight.shape[3] // LANES) * LANES
    for pixels in range(1, max(int(vectors.count * _SHARE) // how.registers, 1) + 1):
        if width % pixels:
            continue
        each = how.instructions(pixels) + parts.shape[2] / 8 * pixels
        yield FixedPointPlan(
            layer=layer,
            instructions=each * parts.shape[1] * height * (width // pixels) * blocks,
            packed=packed,
            run=run,
            pixels=pixels,
            sums=how,
        )


KERNELS = (convolution_kernel("fixed-point convolution", plans),)
