"""Sums and minima over axes, by means and maxima: exact on real numbers.

A sum is the mean times the number of elements, a sum of squares that of a product, and a minimum
the negative of the maximum of negatives.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ..opset import initializer
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
        data = _scaled(data, -1.0, f"{node.name}.negated", node, context)
    elif kind == "ReduceSumSquare":
        square = ir.node("Mul", [data, data], name=f"{node.name}.square")
        square.outputs[0].name, square.outputs[0].shape = f"{square.name}_out", data.shape
        data = context.insert(node, square)
    reduced = ir.node(
        "ReduceMax" if kind == "ReduceMin" else "ReduceMean",
        [data],
        {"axes": axes, "keepdims": node.attributes.get_int("keepdims", 1)},
        name=str(node.name),
        version=13,
    )
    reduced.outputs[0].shape = node.outputs[0].shape
    reduced.outputs[0].name = f"{node.outputs[0].name}.reduced"
    value = context.insert(node, reduced)
    factor = -1.0 if kind == "ReduceMin" else float(prod(shape[axis] for axis in axes))
    value = _scaled(value, factor, str(node.name), node, context)
    context.replace(node.outputs[0], value)


def _scaled(
    value: ir.Value, factor: float, name: str, before: ir.Node, context: Context
) -> ir.Value:
    by = initializer(context.graph, f"{name}.factor", np.array(factor, np.float32))
    by.dtype, by.shape = ir.DataType.FLOAT, ir.Shape(())
    product = ir.node("Mul", [value, by], name=name)
    product.outputs[0].name, product.outputs[0].shape = f"{value.name}.scaled", value.shape
    return context.insert(before, product)


SUMS = Pattern("sums over axes", frozenset({"ReduceSum", "ReduceSumSquare", "ReduceMin"}), _rewrite)
