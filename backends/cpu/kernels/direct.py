"""Convolution and fully connected layers: register tiles of pixels by output channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te

from .body import Body, Expr, Vectors, computing_dtype
from .convolution import ConvolutionPlan, Totals, convolution_kernel
from .epilogue import Area
from .layer import Layer
from .tiling import Tile, choose_tile, lanes_for
from .window import container, padded

_INT16 = 1 << 15
_SHORTEST = 8  # products that a drain must follow to be worth its additions


@dataclass(frozen=True)
class Accumulation:
    """How products are summed without overflow.

    Attributes:
        dtype: of the accumulators.
        bound: no partial sum, in any order, is larger.
        columns, channels: window columns and input channels that are summed in 16 bits before they
            are added to accumulators of 32; (0, 0) if nothing is.
    """

    dtype: str
    bound: int
    columns: int = 0
    channels: int = 0

    def __str__(self) -> str:
        text = f"{self.dtype} accumulators: no partial sum exceeds {self.bound}"
        if self.channels:
            text += f"; int16 over {self.columns * self.channels} products before them"
        return text


def accumulation(layer: Layer, vectors: Vectors) -> Accumulation:
    """Return the narrowest accumulators that the weights and the input's range allow.

    Without vectors a narrow number takes a whole register, and instructions to narrow it.
    """
    weight, bound = layer.weight, layer.bound
    dtype = computing_dtype(bound)
    if vectors.scalar:
        return Accumulation("int32" if dtype == "int16" else dtype, bound)
    most = max(map(abs, layer.codes))
    depth, columns = weight.shape[3], weight.shape[2]
    if dtype != "int32" or max(most, int(np.abs(weight).max())) > 127:
        return Accumulation(dtype, bound)
    for width, length in ((columns, depth), *((1, depth // n) for n in range(1, depth + 1))):
        if depth % length or width * length < _SHORTEST:
            continue
        parts = np.abs(weight).reshape(-1, columns // width, width, depth // length, length)
        if int(parts.sum(axis=(2, 4)).max()) * most < _INT16:
            return Accumulation(dtype, bound, width, length)
    return Accumulation(dtype, bound)


def pack(weight: NDArray[np.int64], groups: int, lanes: int) -> NDArray[np.integer]:
    """Lay out weights (O, KH, KW, I/groups) as (groups, blocks, KH, KW, I/groups, lanes).

    Zeros follow the last output channel.  The innermost loop reads the weights in order, one vector
    of output channels a step.
    """
    out, kh, kw, depth = weight.shape
    each = out // groups
    blocks = -(-each // lanes)
    whole = np.zeros((groups, blocks * lanes, kh, kw, depth), dtype=np.int64)
    whole[:, :each] = weight.reshape(groups, each, kh, kw, depth)
    packed = whole.reshape(groups, blocks, lanes, kh, kw, depth).transpose(0, 1, 3, 4, 5, 2)
    return packed.astype(container(min(int(weight.min()), -1), int(weight.max())))


@dataclass(frozen=True, eq=False, kw_only=True)
class DirectPlan(ConvolutionPlan):
    """A layer tap by tap.

    Attributes:
        accumulation: how products are summed.
        tile: of accumulators in registers.
        depthwise: every channel on its own, lanes of channels at once.
    """

    accumulation: Accumulation
    tile: Tile
    depthwise: bool = False

    @property
    def reason(self) -> str:
        return str(self.accumulation)

    @property
    def real(self) -> Area:
        size, out = self.layer.output_size, self.layer.shape[2]
        groups = 1 if self.depthwise else self.layer.op.groups
        return Area(*size, groups, out // groups)

    @property
    def whole(self) -> Area:
        each, lanes = self.real.channels, self.tile.channels
        return self.real._replace(channels=-(-each // lanes) * lanes)

    def totals(self, body: Body) -> Totals:
        op, sums, lanes = self.layer.op, self.accumulation, self.tile.channels
        _, kh, kw, depth = self.layer.weight.shape
        high = self.layer.codes[1]
        memory = self.layer.source.container.name
        if any(op.pads):
            memory = container(*self.layer.codes)
        x = body.tensor(op.inputs[0], (*self.layer.input_size, self.layer.source.shape[2]))
        source = padded(x, op.pads, self.layer.outside, memory)
        w = body.table("weight", pack(self.layer.weight, self.real.groups, lanes))
        product = "int16" if sums.channels else sums.dtype
        columns, length = sums.columns or kw, sums.channels or depth
        r, s0, k0 = (
            te.reduce_axis((0, n), name)
            for n, name in ((kh, "r"), (kw // columns, "s0"), (depth // length, "k0"))
        )
        s1, k1 = te.reduce_axis((0, columns), "s1"), te.reduce_axis((0, length), "k1")

        def term(*at: Expr) -> Expr:
            y, z, g, o, row, column, chunk = at
            s, k = column * columns + s1, chunk * length + k1
            tap = source[
                y * op.stride[0] + row * op.dilation[0],
                z * op.stride[1] + s * op.dilation[1],
                o if self.depthwise else g * depth + k,
            ]
            if source.dtype == "uint8" and high < 128:
                tap = tap.astype("int8")  # factors with a sign: ARM multiplies and widens at once
            return tap.astype(product) * w[g, o // lanes, row, s, k, o % lanes].astype(product)

        # Depthwise reads as many channels as it writes: it cannot compute surplus ones.
        area = self.real if self.depthwise else self.whole
        if sums.channels:
            part = te.compute(
                (*area, kh, kw // columns, depth // length),
                lambda *at: te.sum(term(*at), axis=[s1, k1]),
                "part",
            )
            total = te.compute(
                area,
                lambda *at: te.sum(part(*at, r, s0, k0).astype(sums.dtype), axis=[r, s0, k0]),
                "total",
            )
        else:
            total = te.compute(
                area, lambda *at: te.sum(term(*at, r, s0, k0), axis=[r, s0, k0, s1, k1]), "total"
            )
        return Totals(total, total)

    def order(self, schedule: s_tir.Schedule) -> None:
        total, out = schedule.get_sblock("total"), schedule.get_sblock("y")
        row, pixel, group, channel = schedule.get_loops(out)
        pixel, pixels = schedule.split(pixel, [None, self.tile.pixels])
        channel, lanes = schedule.split(channel, [None, self.tile.channels])
        # Weights of a block of channels stay in the cache while the map streams through.
        schedule.reorder(group, channel, row, pixel, pixels, lanes)
        schedule.compute_at(total, pixel, preserve_unit_loops=True)
        inner = _tile_loops(schedule, total, 4, 4)
        if self.accumulation.channels:
            part = schedule.get_sblock("part")
            schedule.compute_at(part, inner[-1], preserve_unit_loops=True)
            schedule.decompose_reduction(part, _tile_loops(schedule, part, 9, 7)[0])
        schedule.vectorize(lanes)
        schedule.unroll(pixels)
        schedule.decompose_reduction(total, inner[0])


def _tile_loops(
    schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV, outside: int, spatial: int
) -> list[s_tir.schedule.LoopRV]:
    """Put a stage's pixels (unrolled) and lanes (a vector) innermost.

    Return its reduction loops.
    """
    loops = schedule.get_loops(block)[outside:]
    taps = loops[spatial:]
    schedule.reorder(*taps, loops[1], loops[3])
    schedule.vectorize(loops[3])
    schedule.unroll(loops[1])
    return list(taps)


def direct(layer: Layer, vectors: Vectors) -> Iterator[DirectPlan]:
    """Yield the tile with the least work, for layers of any form."""
    op, sums, out = layer.op, accumulation(layer, vectors), layer.shape[2]
    each = out // op.groups
    bytes_each = np.dtype("int16" if sums.channels else sums.dtype).itemsize
    # Priced for the map's own rows.
    height, width, _ = layer.shape
    tile = choose_tile(width, each, bytes_each, vectors)
    registers = -(-tile.channels * bytes_each // vectors.size)
    blocks = height * -(-width // tile.pixels) * op.groups * -(-each // tile.channels)
    step = registers * (tile.pixels + 2) + 1.5 * tile.pixels
    yield DirectPlan(
        layer=layer,
        instructions=blocks * step * layer.weight[0].size,
        accumulation=sums,
        tile=choose_tile(layer.output_size[1], each, bytes_each, vectors),
    )


def depthwise(layer: Layer, vectors: Vectors) -> Iterator[DirectPlan]:
    """Yield vectors of channels, two pixels of a row at once.

    No other kernel is compared with it.
    """
    if not layer.is_depthwise:
        return
    sums = accumulation(layer, vectors)
    sums = Accumulation(sums.dtype, sums.bound)
    # With four registers at two pixels LLVM 22 spills while NEON compares the levels of 4 bits.
    registers = 2 if vectors.has("neon") else 4
    lanes = lanes_for(layer.shape[2], np.dtype(sums.dtype).itemsize, vectors, registers)
    yield DirectPlan(
        layer=layer,
        instructions=0.0,
        accumulation=sums,
        tile=Tile(2 if layer.output_size[1] % 2 == 0 else 1, lanes),
        depthwise=True,
    )


KERNELS = (
    convolution_kernel("depthwise convolution", depthwise),
    convolution_kernel("direct convolution", direct),
)
