"""Joins of several tensors: Sum as a chain of Add, Concat along the channels."""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant
from .pattern import Context, Pattern, Refused
from .queries import shape_of


def _sum(node: ir.Node, context: Context) -> None:
    """Rewrite Sum as ((a + b) + c) + …, in the order of its inputs."""
    values = [x for x in node.inputs if x is not None]
    total = values[0]
    for k, value in enumerate(values[1:], start=1):
        last = k == len(values) - 1
        add = ir.node("Add", [total, value], name=str(node.name) if last else f"{node.name}.{k}")
        add.outputs[0].name = f"{node.name}.{k}_out"
        add.outputs[0].shape = node.outputs[0].shape
        total = context.insert(node, add)
    context.replace(node.outputs[0], total)


def _concat(node: ir.Node, context: Context) -> None:
    """Check that Concat joins computed tensors along axis 1."""
    shapes = [shape_of(x) for x in node.inputs]
    axis = node.attributes.get_int("axis", 1) % len(shapes[0])
    if axis != 1:
        raise Refused(f"axis {axis} of tensors {shapes[0]}", "axis 1, the channels")
    if any(constant(x) is not None for x in node.inputs):
        raise Refused("a constant joined to a tensor", "computed tensors")
    if len(node.inputs) == 1 and node.inputs[0] is not None:
        context.replace(node.outputs[0], node.inputs[0])
        return
    node.attributes.add(ir.AttrInt64("axis", 1))


def _turn(node: ir.Node, context: Context) -> None:
    """Rewrite Concat along another axis than the channels as one along these, between exchanges
    of the two axes.
    """
    axis = node.attributes.get_int("axis", 1)
    if context.constants.known(node.outputs[0]):
        return
    shapes = [shape_of(x) for x in node.inputs]
    rank = len(shapes[0])
    axis %= rank
    if axis < 2 or rank > 4 or any(context.constants.known(x) for x in node.inputs):
        return
    perm = list(range(rank))
    perm[1], perm[axis] = axis, 1

    parts = [
        context.transpose(node, x, perm, f"{node.name}.{k}")
        for k, x in enumerate(node.inputs)
        if x is not None
    ]
    join = ir.node("Concat", parts, {"axis": 1}, name=str(node.name))
    result = shape_of(node.outputs[0])
    join.outputs[0].shape = ir.Shape([result[k] for k in perm])
    join.outputs[0].name = f"{node.name}.joined"
    joined = context.insert(node, join)
    context.replace(node.outputs[0], context.transpose(node, joined, perm, f"{node.name}.back"))


CONCAT_AXIS = Pattern("concatenation along another axis", frozenset({"Concat"}), _turn)
SUM = Pattern("sum of tensors", frozenset({"Sum"}), _sum)
CONCAT = Pattern("concatenation", frozenset({"Concat"}), _concat)
