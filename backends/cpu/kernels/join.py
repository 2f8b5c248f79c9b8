"""Concatenation of channels."""

from __future__ import annotations

import numpy as np
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Program

from ..grouping import Group
from .body import Body, Expr, Place, Vectors, pixelwise
from .elementwise import follow
from .offer import Kernel, Offer


def build(body: Body) -> tirx.PrimFunc:
    """Write the scheduled function over (pixels, channels), and the group's other operations."""
    op, shape = body.group.ops[0], body.tensor_type(body.group.ops[0].output).shape
    pixels, width = shape[0] * shape[1], body.tensor_type(op.inputs[0]).shape[2]
    dtype = body.tensor_type(op.output).container.name
    body.slots = np.arange(shape[2])
    tensors = {
        name: body.tensor(name, (pixels, body.tensor_type(name).shape[2])) for name in op.inputs
    }
    others = {
        name: tensors.get(name) or body.beside(name, (pixels, shape[2]), pixelwise(shape[1]))
        for name in body.group.others
    }

    def element(p: Expr, c: Expr) -> Expr:
        first, second = (tensors[name] for name in op.inputs)
        joined = tirx.if_then_else(
            c < width, first(p, c).astype(dtype), second(p, c - width).astype(dtype)
        )
        place = Place(c, lambda other: others[other](p, c))
        value = body.value(op.output, joined)
        return body.result(follow(body, body.group.ops[1:], value, place))

    y = te.compute((pixels, shape[2]), element, "y")
    schedule = s_tir.Schedule(te.create_prim_func([p for p, _ in body.operands] + [y]))
    return schedule.mod["main"]


def _offer(group: Group, program: Program, vectors: Vectors) -> Offer:
    return Offer("two maps side by side: each is copied to its channels", build)


KERNELS = (Kernel("concat", _offer),)
