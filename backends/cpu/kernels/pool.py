"""Pooling, vectorized over channels."""

from __future__ import annotations

from math import prod

import numpy as np
from tvm import s_tir, te, tirx

from n2uqc.passes.program import MaxPool, Program, SumPool

from ..grouping import Group
from .body import Body, Expr, Place, Vectors, computing_dtype, reads
from .elementwise import follow
from .offer import Kernel, Offer
from .tiling import lanes_for
from .window import container, padded


def build(body: Body) -> tirx.PrimFunc:
    """Write the scheduled function: reduction over the window, then the group's other
    operations.
    """
    op = body.group.ops[0]
    assert isinstance(op, MaxPool | SumPool)
    source, shape = body.tensor_type(op.inputs[0]), body.tensor_type(op.output).shape
    largest = isinstance(op, MaxPool)
    if largest:
        dtype, fill = source.container.name, int(np.iinfo(source.container).min)
        memory = dtype
    else:
        assert isinstance(op, SumPool)
        most = max(abs(source.lo), abs(source.hi)) * max(op.divisor(source.shape), prod(op.kernel))
        dtype, fill = computing_dtype(most), 0
        memory = container(min(source.lo, 0), max(source.hi, 0)) if any(op.pads) else ""
    body.slots = np.arange(shape[2])
    x = body.tensor(op.inputs[0], source.shape)
    around = x if largest else padded(x, op.pads, fill, memory)
    others = {n: body.beside(n, shape, lambda *at: at) for n in body.group.others}
    factors = []
    if isinstance(op, SumPool) and op.weighted(source.shape):
        factors = [
            body.table(f"{name}_factors", np.array(line, dtype))
            for name, line in zip(("row", "column"), op.factors(source.shape), strict=True)
        ]
    r, s = (te.reduce_axis((0, n), name) for n, name in zip(op.kernel, "rs", strict=True))
    reduce = te.max if largest else te.sum

    def tap(y: Expr, z: Expr, c: Expr) -> Expr:
        row, column = y * op.stride[0] + r, z * op.stride[1] + s
        if largest:
            # A position outside the map repeats the nearest inside, which its window holds as well.
            row = _inside(row, op.pads[0], op.pads[2], source.shape[0])
            column = _inside(column, op.pads[1], op.pads[3], source.shape[1])
        return around[row, column, c].astype(dtype)

    total = te.compute(shape, lambda *at: reduce(tap(*at), axis=[r, s]), "total")

    def element(y: Expr, z: Expr, c: Expr) -> Expr:
        pooled = total(y, z, c)
        for factor, at in zip(factors, (y, z), strict=False):
            pooled = pooled * factor(at)
        value = body.value(op.output, pooled)
        place = Place(c, lambda name: others[name](y, z, c))
        return body.result(follow(body, body.group.ops[1:], value, place))

    y = te.compute(shape, element, "y")
    function = body.function(y)
    if not reads(y, total):
        return function
    schedule = s_tir.Schedule(function)
    block, out = schedule.get_sblock("total"), schedule.get_sblock("y")
    channel = schedule.get_loops(out)[2]
    lanes = lanes_for(shape[2], np.dtype(dtype).itemsize, body.vectors)
    channel, vector = schedule.split(channel, [None, lanes])
    schedule.compute_at(block, channel, preserve_unit_loops=True)
    _, _, inner, *taps = schedule.get_loops(block)[3:]
    schedule.reorder(*taps, inner)
    schedule.vectorize(inner)
    schedule.vectorize(vector)
    schedule.decompose_reduction(block, taps[0])
    return schedule.mod["main"]


def _inside(position: Expr, before: int, after: int, size: int) -> Expr:
    """Move a position of the padded map to the nearest one of the map."""
    if before:
        position = tirx.max(position - before, 0)
    return tirx.min(position, size - 1) if after else position


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer:
    op = group.ops[0]
    assert isinstance(op, MaxPool | SumPool)
    return Offer(f"window {op.kernel[0]}x{op.kernel[1]}, vectors of channels", build)


KERNELS = (Kernel("pooling", _offer),)
