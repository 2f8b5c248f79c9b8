"""Add, Sub, Mul and Div by a constant: a scalar or one value per channel.

N2UQ's learnable biases have the shape (1,C,1,1) or (C,1,1), or are expanded to the whole tensor.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant, initializer
from .negation import negated
from .pattern import Context, Pattern, Refused
from .queries import Array, channel_values, shape_of

_PER_CHANNEL = "a constant for the tensor, or one value per channel"


def per_channel(array: Array, values: Array, rank: int) -> Array:
    """Reshape values to canonical form: [] for a scalar, [1,C] or [1,C,1,1] for channels."""
    if array.size == 1:
        return values.reshape(())
    return values.reshape(1, -1, *[1] * (rank - 2))


def _normalize(node: ir.Node, context: Context) -> None:
    if len(node.inputs) != 2 or node.inputs[0] is None or node.inputs[1] is None:
        return
    arrays = [constant(x) for x in node.inputs]
    if arrays[0] is None and arrays[1] is None:
        _check_pair(node)
        return
    position = 0 if arrays[0] is not None else 1
    array, data = arrays[position], node.inputs[1 - position]
    assert array is not None and data is not None
    shape = shape_of(data)
    values = channel_values(array, shape)
    if values is None:
        raise Refused(f"a constant of shape {array.shape} against a tensor {shape}", _PER_CHANNEL)
    if position == 0 and node.op_type == "Div":
        raise Refused("a constant divided by a tensor", "a tensor divided by a constant")
    if node.op_type == "Div" and (values == 0).any():
        raise Refused("division by 0", "a divisor other than 0")
    name = str(node.inputs[position].name)  # type: ignore[union-attr]
    if position == 0 and node.op_type == "Sub":  # c - x = x·(-1) + c, exactly
        data = negated(node, data, context)
        node.op_type = "Add"
    form = per_channel(array, values, len(shape))
    if position == 0 or form.shape != array.shape:
        node.replace_input_with(0, data)
        node.replace_input_with(1, initializer(context.graph, name, form))


def _check_pair(node: ir.Node) -> None:
    """Check that a node of two computed tensors is a skip connection or a product.

    The second factor of a product may have size 1 along axes; the operands are exchanged for that.
    """
    if node.op_type not in ("Add", "Mul"):
        raise Refused(
            "two computed tensors", "an operand that is constant; Add, Sub, Mul of two tensors"
        )
    left, right = shape_of(node.inputs[0]), shape_of(node.inputs[1])
    if node.op_type == "Mul":
        result = shape_of(node.outputs[0])
        if left != result:
            first, second = node.inputs
            node.replace_input_with(0, second)
            node.replace_input_with(1, first)
            left, right = right, left
        if left != result or len(left) != len(right) or left[0] != right[0]:
            raise Refused(
                f"tensors of shapes {left} and {right}",
                "factors of as many axes, of which one has the product's shape and the other that "
                "or size 1 along each axis behind the batch",
            )
        return
    if left != right:
        raise Refused(f"tensors of shapes {left} and {right}", "two tensors of one shape")


CONSTANT_OPERAND = Pattern("constant operand", frozenset({"Add", "Sub", "Mul", "Div"}), _normalize)
