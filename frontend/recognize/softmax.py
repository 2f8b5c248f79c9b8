"""Softmax and LogSoftmax between layers, as exponentials and a mean.

With ``d = x - max(x)`` and ``e = exp(d)``: ``softmax(x) = e / (n * mean(e))``, and its logarithm is
``d - log(n * mean(e))``. Clips state what interval arithmetic does not see: no difference is above
0, and no mean of n exponentials, of which one is 1, is below 1/n.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from ..opset import initializer
from .pattern import Context, Pattern
from .queries import shape_of


def _take_apart(node: ir.Node, context: Context) -> None:
    """Rewrite a Softmax over one axis; those behind the last layer are the host's."""
    data = node.inputs[0]
    if data is None or context.constants.known(data):
        return
    shape = shape_of(data)
    axis = node.attributes.get_int("axis", -1) % len(shape)
    if axis == 0 or shape[axis] < 1:
        return
    count = shape[axis]
    reduced = ir.Shape([1 if k == axis else size for k, size in enumerate(shape)])

    def add(
        op: str, inputs: list[ir.Value], part: str, like: ir.Shape | None, **attributes: Any
    ) -> ir.Value:
        made = ir.node(op, inputs, attributes, name=f"{node.name}.{part}", version=13)
        made.outputs[0].name, made.outputs[0].shape = f"{made.name}_out", like
        return context.insert(node, made)

    def number(value: float, part: str) -> ir.Value:
        return initializer(context.graph, f"{node.name}.{part}", np.array(value, np.float32))

    most = add("ReduceMax", [data], "most", reduced, axes=[axis], keepdims=1)
    differences = add("Sub", [data, most], "differences", data.shape)
    least = number(float(np.finfo(np.float32).min), "least")
    below = add("Clip", [differences, least, number(0, "zero")], "below", data.shape)
    powers = add("Exp", [below], "powers", data.shape)
    mean = add("ReduceMean", [powers], "mean", reduced, axes=[axis], keepdims=1)
    ends = [number(1 / count, "share"), number(1, "one")]
    mean = add("Clip", [mean, *ends], "ends", reduced)
    if node.op_type == "Softmax":
        inverse = add("Reciprocal", [mean], "inverse", reduced)
        result = add("Mul", [powers, inverse], "quotient", data.shape)
        result = context.with_number(node, "Mul", result, 1 / count, str(node.name))
    else:
        rest = add("Log", [mean], "rest", reduced)
        result = add("Sub", [below, rest], "difference", data.shape)
        result = context.with_number(node, "Add", result, -float(np.log(count)), str(node.name))
    context.replace(node.outputs[0], result)


SOFTMAX = Pattern("softmax", frozenset({"Softmax", "LogSoftmax"}), _take_apart)
