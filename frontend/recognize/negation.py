"""`-x` as `x * (-1)`, and `a - b` of two tensors as `a + (-b)`: exact, also in float32."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import constant, initializer
from .pattern import Context, Pattern


def negated(node: ir.Node, data: ir.Value, context: Context) -> ir.Value:
    """Insert `data` times -1 before a node and return the new value."""
    minus = initializer(context.graph, f"{node.name}.minus_one", np.array(-1, np.float32))
    product = ir.node("Mul", [data, minus], name=str(node.name))
    product.outputs[0].shape = data.shape
    product.outputs[0].name = f"{node.outputs[0].name}.negated"
    return context.insert(node, product)


def _negation(node: ir.Node, context: Context) -> None:
    assert node.inputs[0] is not None
    context.replace(node.outputs[0], negated(node, node.inputs[0], context))


def _difference(node: ir.Node, context: Context) -> None:
    second = node.inputs[1]
    if second is None or any(constant(x) is not None for x in node.inputs):
        return  # an operand is constant: see `bias`
    node.replace_input_with(1, negated(node, second, context))
    node.op_type = "Add"


NEGATION = Pattern("negation", frozenset({"Neg"}), _negation)
DIFFERENCE = Pattern("difference of tensors", frozenset({"Sub"}), _difference)
