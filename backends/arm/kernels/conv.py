"""Convolution and fully connected layers: register tiles of pixels by output channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv, Program

from ..grouping import Group, int_type
from .base import Body, Expr, Kernel, Place, Value, computing_dtype
from .elementwise import follow
from .tiling import Tile, choose_tile, lanes_for
from .window import container, padded


def _why_depthwise(group: Group, program: Program) -> str:
    op = group.ops[0]
    assert isinstance(op, Conv)
    out, _, _, depth = program.constants[op.weight].values.shape
    if not (op.groups > 1 and depth == 1 and out == op.groups):
        return ""
    return f"every channel on its own; {_accumulators(op, program)}"


def _why_direct(group: Group, program: Program) -> str:
    op = group.ops[0]
    assert isinstance(op, Conv)
    return _accumulators(op, program)


def _accumulators(op: Conv, program: Program) -> str:
    bound = op.partial_bound(int_type(program, op.inputs[0]), program.constants)
    return f"{computing_dtype(-bound, bound)} accumulators: no partial sum exceeds {bound}"


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
    op = body.group.ops[0]
    assert isinstance(op, Conv)
    kind, weight = body.kind(op.inputs[0]), body.constant(op.weight).values
    out, kh, kw, depth = weight.shape
    height, width, channels = kind.shape
    oh, ow, _ = body.kind(op.output).shape
    if (kh, kw, *op.stride) == (1, 1, 1, 1) and not any(op.pads):
        height, width, oh, ow = 1, height * width, 1, oh * ow  # a map without rows tiles better
    bound = op.partial_bound(kind, body.program.constants)
    dtype = computing_dtype(-bound, bound)
    groups, each = (1, out) if depthwise else (op.groups, out // op.groups)
    if depthwise:
        lanes = lanes_for(out, np.dtype(dtype).itemsize, body.vectors)
        tile = Tile(2 if ow % 2 == 0 else 1, lanes)
    else:
        tile = choose_tile(ow, each, np.dtype(dtype).itemsize, body.vectors)
    lanes = tile.channels
    surplus = -(-each // lanes) * lanes
    body.slots = np.minimum(np.arange(surplus), each - 1)[None] + each * np.arange(groups)[:, None]
    body.slots = body.slots.ravel()

    low, high = min(kind.lo, op.pad_value), max(kind.hi, op.pad_value)
    memory = container(low, high) if any(op.pads) else kind.container.name
    x = body.tensor(op.inputs[0], (height, width, channels))
    source = padded(x, op.pads, op.pad_value, memory)
    w = body.table("weight", pack(weight, groups, lanes))
    r, s = te.reduce_axis((0, kh), "r"), te.reduce_axis((0, kw), "s")
    k = te.reduce_axis((0, depth), "k")

    def products(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        channel = o if depthwise else g * depth + k
        tap = source[y * op.stride[0] + r * op.dilation[0],
                     z * op.stride[1] + s * op.dilation[1], channel]
        factor = w[g, o // lanes, r, s, 0 if depthwise else k, o % lanes]
        axes = [r, s] if depthwise else [r, s, k]
        if source.dtype == "uint8" and high < 128:
            tap = tap.astype("int8")  # both factors signed: ARM multiplies and widens in one step
        return te.sum(tap.astype(dtype) * factor.astype(dtype), axis=axes)

    # Depthwise reads as many channels as it writes: it cannot compute surplus ones.
    total = te.compute((oh, ow, groups, each if depthwise else surplus), products, "total")
    shape = (oh, ow, groups, each)
    others = {n: body.tensor(n, shape) for n in body.group.inputs if n != op.inputs[0]}

    def element(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
        value: Value = body.value(op.output, total(y, z, g, o))
        place = Place(g * surplus + o, lambda name: others[name](y, z, g, o))
        return body.result(follow(body, body.group.ops[1:], value, place))

    y = te.compute(shape, element, "y")
    return _schedule(body, y, tile)


def _schedule(body: Body, y: te.Tensor, tile: Tile) -> tirx.PrimFunc:
    schedule = s_tir.Schedule(te.create_prim_func([p for p, _ in body.operands] + [y]))
    total, out = schedule.get_sblock("total"), schedule.get_sblock("y")
    row, pixel, group, channel = schedule.get_loops(out)
    pixel, pixels = schedule.split(pixel, [None, tile.pixels])
    channel, lanes = schedule.split(channel, [None, tile.channels])
    # Weights of a block of channels stay in the cache while the map streams through.
    schedule.reorder(group, channel, row, pixel, pixels, lanes)
    schedule.compute_at(total, pixel, preserve_unit_loops=True)
    _, inner_pixels, _, inner_lanes, *taps = schedule.get_loops(total)[4:]
    schedule.reorder(*taps, inner_pixels, inner_lanes)
    schedule.vectorize(inner_lanes)
    schedule.unroll(inner_pixels)
    schedule.vectorize(lanes)
    schedule.unroll(pixels)
    schedule.decompose_reduction(total, taps[0])
    return schedule.mod["main"]


KERNELS = (
    Kernel("depthwise convolution", _why_depthwise, lambda body: build(body, depthwise=True)),
    Kernel("direct convolution", _why_direct, lambda body: build(body, depthwise=False)),
)
