"""Elementwise operations on tensors in memory."""

from __future__ import annotations

import numpy as np
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Program

from ..grouping import Group
from .body import Body, Expr, Place, Vectors, pixelwise
from .elementwise import follow
from .offer import Kernel, Offer
from .tiling import lanes_for


def build(body: Body) -> tirx.PrimFunc:
    """Write the scheduled function over (pixels, channels)."""
    group, written = body.group, body.output
    shape = (written.shape[0] * written.shape[1], written.shape[2])
    body.slots = np.arange(shape[1])
    where = pixelwise(written.shape[1])
    sources = {name: body.beside(name, shape, where) for name in group.inputs}
    name = group.ops[0].inputs[0]

    def element(p: Expr, c: Expr) -> Expr:
        value = body.value(name, sources[name](p, c))
        place = Place(c, lambda other: sources[other](p, c))
        return body.result(follow(body, group.ops, value, place))

    y = te.compute(shape, element, "y")
    schedule = s_tir.Schedule(body.function(y))
    loops = schedule.get_loops(schedule.get_sblock("y"))
    if body.vectors.scalar:  # one by one, a channel's constants in registers
        schedule.reorder(loops[1], loops[0])
        return schedule.mod["main"]
    lanes = lanes_for(shape[1], 4, body.vectors)
    schedule.vectorize(schedule.split(loops[1], [None, lanes])[1])
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer:
    return Offer("its input is read by others too", build)


KERNELS = (Kernel("elementwise", _offer),)
