"""Joins of several tensors: Sum as a chain of Add, Concat along the channels.

What a Concat joins may be constant: a class token, the coordinates of each pixel.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edges import map_shape
from ..opset import constant, initializer, make_rearrange
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


def _constants(node: ir.Node, context: Context) -> None:
    """Rewrite the constants of a Concat as zeros, moved there from nowhere, plus the constant."""
    known = [context.constants.known(x) for x in node.inputs]
    if all(known) or not any(known):
        return
    shapes = [shape_of(x) for x in node.inputs]
    source, shape = node.inputs[known.index(False)], shapes[known.index(False)]
    if not 2 <= len(shape) <= 4 or node.attributes.get_int("axis", 1) % len(shape) == 0:
        return
    for k, value in enumerate(node.inputs):
        if value is None or source is None or not known[k]:
            continue
        array = context.constants.arrays([value])[0]
        arrays = [array]
        if context.constants.depends_on_batch(value):
            arrays.append(context.constants.with_other_batch(value))
        if array.dtype != np.float32 or any((a != array[:1]).any() for a in arrays):
            raise Refused("a constant that differs by image", "one constant for all images")
        rows, columns, channels = (np.full(n, -1) for n in map_shape(shapes[k][1:]))
        label = f"{node.name}.{k}"
        zeros = make_rearrange(
            context.graph, source, (rows, columns, channels), shapes[k], f"{label}.zeros"
        )
        held = initializer(context.graph, f"{value.name}.{label}", array[:1])
        held.dtype, held.shape = ir.DataType.FLOAT, ir.Shape(array[:1].shape)
        add = ir.node("Add", [context.insert(node, zeros), held], name=f"{label}.constant")
        add.outputs[0].name = f"{label}.constant_out"
        add.outputs[0].shape = ir.Shape(shapes[k])
        node.replace_input_with(k, context.insert(node, add))


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


CONCAT_CONSTANT = Pattern("constants in a concatenation", frozenset({"Concat"}), _constants)
CONCAT_AXIS = Pattern("concatenation along another axis", frozenset({"Concat"}), _turn)
SUM = Pattern("sum of tensors", frozenset({"Sum"}), _sum)
CONCAT = Pattern("concatenation", frozenset({"Concat"}), _concat)
