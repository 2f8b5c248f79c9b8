"""Maximum and minimum of tensors: `max(a, b) = relu(a - b) + b`, `min(a, b) = b - relu(b - a)`.

Both are exact on real numbers. Bounds that are one number are clamps: see `relu`.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant
from .pattern import Context, Pattern, Refused
from .queries import shape_of
from .spread import spread, spreads


def _inserted(
    op_type: str, inputs: list[ir.Value], node: ir.Node, part: str, context: Context
) -> ir.Value:
    """Insert an operator of the node's shape before it and return its value."""
    new_node = ir.node(op_type, inputs, name=f"{node.name}.{part}" if part else str(node.name))
    new_node.outputs[0].name = f"{node.outputs[0].name}.{part or 'value'}"
    new_node.outputs[0].shape = node.outputs[0].shape
    return context.insert(node, new_node)


def _extreme(node: ir.Node, context: Context) -> None:
    """Rewrite Max and Min of two or more tensors by Sub, Relu and Add, one after the other."""
    values = sorted(
        (x for x in node.inputs if x is not None), key=lambda x: constant(x) is not None
    )
    if constant(values[0]) is not None:
        return  # constants alone: folded
    result = shape_of(node.outputs[0])
    shapes = [shape_of(x) for x in values if constant(x) is None]
    if not all(spreads(shape, result) for shape in shapes):
        raise Refused(
            f"tensors of shapes {' and '.join(map(str, shapes))} become {result}",
            "tensors of as many axes, of one size or size 1 along each axis behind the batch",
        )
    for k, value in enumerate(values):
        if constant(value) is None:
            values[k] = spread(value, result, f"{node.name}.spread{k or ''}", node, context)
    extreme = values[0]
    for k, other in enumerate(values[1:], start=1):
        last = k == len(values) - 1
        part = "" if last else f"{k}"
        pair = [extreme, other] if node.op_type == "Max" else [other, extreme]
        above = _inserted("Sub", pair, node, f"{k}.difference", context)
        above = _inserted("Relu", [above], node, f"{k}.above", context)
        if node.op_type == "Max":
            extreme = _inserted("Add", [above, other], node, part, context)
        else:
            extreme = _inserted("Sub", [other, above], node, part, context)
    context.replace(node.outputs[0], extreme)


EXTREME = Pattern("maximum or minimum of tensors", frozenset({"Max", "Min"}), _extreme)
