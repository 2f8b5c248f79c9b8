"""Copies of elements to other places, by tables, or by a start and a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Program, Rearrange
from n2uqc.passes.program.ops.arrangement import OUTSIDE

from ..grouping import Group
from .body import Body, Expr, Place, Row, Vectors
from .elementwise import follow
from .offer import Kernel, Offer
from .tiling import lanes_for


def build(body: Body) -> tirx.PrimFunc:
    """Write the scheduled function over (rows, columns, channels), and the group's other
    operations.
    """
    op = body.group.ops[0]
    assert isinstance(op, Rearrange)
    made, shape = op.arrangement(body.program.constants), body.tensor_type(op.output).shape
    body.slots = np.arange(shape[2])
    source = body.tensor_type(op.inputs[0])
    x = body.tensor(op.inputs[0], (source.size,))
    others = {n: body.beside(n, shape, lambda *at: at) for n in body.group.others}
    names = ("row", "column", "channel")
    places = [_line(body, n, t) for n, t in zip(names, made.tables, strict=True)]
    kind = source.container.name

    def element(y: Expr, z: Expr, c: Expr) -> Expr:
        parts = [place(at) for place, at in zip(places, (y, z, c), strict=True)]
        taken = x(parts[0] + parts[1] + parts[2]).astype(kind)
        inside = [
            part >= 0
            for part, table in zip(parts, made.tables, strict=True)
            if (table == OUTSIDE).any()
        ]
        if inside:
            taken = tirx.if_then_else(tirx.all(*inside), taken, tirx.const(0, kind))
        place = Place(c, lambda name: others[name](y, z, c))
        return body.result(follow(body, body.group.ops[1:], body.value(op.output, taken), place))

    y = te.compute(shape, element, "y")
    schedule = s_tir.Schedule(body.function(y))
    if _step(made.channels) == 1 and not body.vectors.scalar:
        channel = schedule.get_loops(schedule.get_sblock("y"))[2]
        lanes = lanes_for(shape[2], 4, body.vectors)
        schedule.vectorize(schedule.split(channel, [None, lanes])[1])
    return schedule.mod["main"]


def _step(table: NDArray[np.int64]) -> int | None:
    """Return the step between a table's entries; None if it is not the same throughout."""
    if len(table) == 1:
        return 1 if table[0] != OUTSIDE else None
    steps = np.unique(np.diff(table))
    return int(steps[0]) if len(steps) == 1 and (table != OUTSIDE).all() else None


def _line(body: Body, name: str, table: NDArray[np.int64]) -> Row:
    """Return the places of an axis as a function of the index."""
    step, first = _step(table), int(table[0])
    if step is not None:
        return lambda at: at * step + first if step else tirx.const(first, "int32")
    held = body.table(f"{name}_places", table.astype(np.int32))
    return lambda at: held(at)


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer:
    return Offer("elements are copied from their places", build)


KERNELS = (Kernel("rearrange", _offer),)
