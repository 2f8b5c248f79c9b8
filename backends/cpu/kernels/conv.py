"""Convolution and fully connected layers: register tiles of pixels by output channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, convolution, int_type
from .base import Body, Expr, Offer, Place, PricedKernel, Vectors, computing_dtype, reads
from .elementwise import follow
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


def accumulation(op: Conv, program: Program, vectors: Vectors) -> Accumulation:
    """The narrowest accumulators that the weights and the input's range allow.

    Without vectors a narrow number takes a whole register, and instructions to narrow it.
    """
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    bound = op.partial_bound(kind, program.constants)
    dtype = computing_dtype(-bound, bound)
    if vectors.size == 4:
        return Accumulation("int32" if dtype == "int16" else dtype, bound)
    most = max(abs(kind.lo), abs(kind.hi), abs(op.pad_value))
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


def is_depthwise(op: Conv, program: Program) -> bool:
    """Whether every channel is on its own."""
    out, _, _, depth = program.constants[op.weight].values.shape
    return op.groups > 1 and depth == 1 and out == op.groups


def _offer_depthwise(group: Group, program: Program, vectors: Vectors) -> Offer | None:
    op = convolution(group)
    if not is_depthwise(op, program):
        return None
    bound = op.partial_bound(int_type(program, op.inputs[0]), program.constants)
    return Offer(
        str(Accumulation(computing_dtype(-bound, bound), bound)),
        lambda body: build(body, depthwise=True),
    )


def _offer_direct(group: Group, program: Program, vectors: Vectors) -> Offer:
    op = convolution(group)
    sums, weight = accumulation(op, program, vectors), program.constants[op.weight].values
    height, width, out = int_type(program, op.output).shape
    bytes_each = np.dtype("int16" if sums.channels else sums.dtype).itemsize
    tile = choose_tile(width, out // op.groups, bytes_each, vectors)
    registers = -(-tile.channels * bytes_each // vectors.size)
    blocks = height * -(-width // tile.pixels) * op.groups * -(-out // op.groups // tile.channels)
    step = registers * (tile.pixels + 2) + 1.5 * tile.pixels
    return Offer(
        str(sums), lambda body: build(body, depthwise=False), blocks * step * weight[0].size
    )


def pack(weight: NDArray[np.int64], groups: int, lanes: int) -> NDArray[np.integer]:
    """Weights (O, KH, KW, I/groups) as (groups, blocks, KH, KW, I/groups, lanes), zeros behind.

    The innermost loop then reads them in order, one vector of output channels a step.
    """
    out, kh, kw, depth = weight.shape
    each = out // groups
    blocks = -(-each // lanes)
    whole = np.zeros((groups, blocks * lanes, kh, kw, depth), dtype=np.int64)
    whole[:, :each] = weight.reshape(groups, each, kh, kw, depth)
    packed = whole.reshape(groups, blocks, lanes, kh, kw, depth).transpose(0, 1, 3, 4, 5, 2)
    return packed.astype(container(min(int(weight.min()), -1), int(weight.max())))


def build(body: Body, depthwise: bool) -> tirx.PrimFunc:
    """The scheduled function: padded copy, accumulators in a register tile, the group's rest."""
    op = convolution(body.group)
    kind, weight = body.kind(op.inputs[0]), body.constant(op.weight).values
    out, kh, kw, depth = weight.shape
    height, width, channels = kind.shape
    oh, ow, _ = body.kind(op.output).shape
    if (kh, kw, *op.stride) == (1, 1, 1, 1) and not any(op.pads):
        height, width, oh, ow = 1, height * width, 1, oh * ow  # a map without rows tiles better
    sums = accumulation(op, body.program, body.vectors)
    if depthwise:
        sums = Accumulation(sums.dtype, sums.bound)
    product = "int16" if sums.channels else sums.dtype
    groups, each = (1, out) if depthwise else (op.groups, out // op.groups)
    if depthwise:
        lanes = lanes_for(out, np.dtype(product).itemsize, body.vectors)
        tile = Tile(2 if ow % 2 == 0 else 1, lanes)
    else:
        tile = choose_tile(ow, each, np.dtype(product).itemsize, body.vectors)
    lanes = tile.channels
    surplus = -(-each // lanes) * lanes
    body.slots = np.minimum(np.arange(surplus), each - 1)[None] + each * np.arange(groups)[:, None]
    body.slots = body.slots.ravel()

    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    memory = container(low, high) if any(op.pads) else kind.container.name
    x = body.tensor(op.inputs[0], (height, width, channels))
    source = padded(x, op.pads, op.pad_value, memory)
    w = body.table("weight", pack(weight, groups, lanes))
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
            o if depthwise else g * depth + k,
        ]
        if source.dtype == "uint8" and high < 128:
            tap = tap.astype("int8")  # both factors signed: ARM multiplies and widens in one step
        return tap.astype(product) * w[g, o // lanes, row, s, k, o % lanes].astype(product)

    # Depthwise reads as many channels as it writes: it cannot compute surplus ones.
    area = (oh, ow, groups, each if depthwise else surplus)
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
    shape = (oh, ow, groups, each)
    others = {n: body.tensor(n, shape) for n in body.group.others}

    def element(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        value = body.value(op.output, total(y, z, g, o))
        place = Place(g * surplus + o, lambda name: others[name](y, z, g, o))
        return body.result(follow(body, body.group.ops[1:], value, place))

    y = te.compute(shape, element, "y")
    function = body.function(y)
    return _scheduled(function, tile, bool(sums.channels)) if reads(y, total) else function


def _scheduled(function: tirx.PrimFunc, tile: Tile, in_parts: bool) -> tirx.PrimFunc:
    schedule = s_tir.Schedule(function)
    total, out = schedule.get_sblock("total"), schedule.get_sblock("y")
    row, pixel, group, channel = schedule.get_loops(out)
    pixel, pixels = schedule.split(pixel, [None, tile.pixels])
    channel, lanes = schedule.split(channel, [None, tile.channels])
    # Weights of a block of channels stay in the cache while the map streams through.
    schedule.reorder(group, channel, row, pixel, pixels, lanes)
    schedule.compute_at(total, pixel, preserve_unit_loops=True)
    inner = _tile_loops(schedule, total, 4, 4)
    if in_parts:
        part = schedule.get_sblock("part")
        schedule.compute_at(part, inner[-1], preserve_unit_loops=True)
        schedule.decompose_reduction(part, _tile_loops(schedule, part, 9, 7)[0])
    schedule.vectorize(lanes)
    schedule.unroll(pixels)
    schedule.decompose_reduction(total, inner[0])
    return schedule.mod["main"]


def _tile_loops(
    schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV, outside: int, spatial: int
) -> list[s_tir.schedule.LoopRV]:
    """Put a stage's pixels (unrolled) and lanes (a vector) innermost; its reduction loops."""
    loops = schedule.get_loops(block)[outside:]
    taps = loops[spatial:]
    schedule.reorder(*taps, loops[1], loops[3])
    schedule.vectorize(loops[3])
    schedule.unroll(loops[1])
    return list(taps)


KERNELS = (
    PricedKernel("depthwise convolution", _offer_depthwise),
    PricedKernel("direct convolution", _offer_direct),
)
