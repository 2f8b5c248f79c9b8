"""Sums, norms and minima over axes, by means and maxima: exact on real numbers.

A sum is the mean times the number of elements, a sum of squares that of a product, its root the
norm, a sum of magnitudes that of Abs, and a minimum the negative of the maximum of negatives.
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from .pattern import Context, Pattern
from .pooling import reduced_axes
from .queries import shape_of


def _rewrite(node: ir.Node, context: Context) -> None:
    if node in context.refusals:  # part of a quantizer, whose fault is the one to tell
        return
    data, kind = node.inputs[0], node.op_type
    axes = reduced_axes(node, context)
    if data is None or context.constants.known(data) or axes is None or 0 in axes:
        return
    shape = shape_of(data)
    if kind == "ReduceMin":
        data = context.with_number(node, "Mul", data, -1.0, f"{node.name}.negated")
    elif kind == "ReduceL1":
        magnitude = ir.node("Abs", [data], name=f"{node.name}.magnitude")
        magnitude.outputs[0].name, magnitude.outputs[0].shape = f"{magnitude.name}_out", data.shape
        data = context.insert(node, magnitude)
    elif kind in ("ReduceSumSquare", "ReduceL2"):
        square = ir.node("Mul", [data, data], name=f"{node.name}.square")
        square.outputs[0].name, square.outputs[0].shape = f"{square.name}_out", data.shape
        data = context.insert(node, square)
    kept = node.attributes.get_int("keepdims", 1) == 1
    number = len(axes) == len(shape) - 1  # one of each sample: an axis is dropped at the end
    reduced = ir.node(
        "ReduceMax" if kind == "ReduceMin" else "ReduceMean",
        [data],
        {"axes": axes, "keepdims": int(kept or number)},
        name=str(node.name),
        version=13,
    )
    left = [1 if axis in axes else size for axis, size in enumerate(shape)]
    reduced.outputs[0].shape = ir.Shape(left) if number else node.outputs[0].shape
    reduced.outputs[0].name = f"{node.outputs[0].name}.reduced"
    value = context.insert(node, reduced)
    factor = -1.0 if kind == "ReduceMin" else float(prod(shape[axis] for axis in axes))
    value = context.with_number(node, "Mul", value, factor, str(node.name))
    if kind == "ReduceL2":
        root = ir.node("Sqrt", [value], name=f"{node.name}.root")
        root.outputs[0].name, root.outputs[0].shape = f"{root.name}_out", value.shape
        value = context.insert(node, root)
    if number and not kept:
        value = context.reshape(node, value, shape[:1], str(node.name))
    context.replace(node.outputs[0], value)


SUMS = Pattern(
    "sums over axes",
    frozenset({"ReduceSum", "ReduceSumSquare", "ReduceMin", "ReduceL1", "ReduceL2"}),
    _rewrite,
)
