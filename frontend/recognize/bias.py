"""Add, Sub, Mul and Div by a constant: a scalar, one value per channel, or one of each position.

N2UQ's learnable biases have the shape (1,C,1,1) or (C,1,1), or are expanded to the whole tensor.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant, initializer
from .negation import negated
from .pattern import Context, Pattern, Refused
from .queries import Array, channel_values, shape_of
from .spread import between_flattenings, of_each_position, spread, spreads

_PER_CHANNEL = "a constant for the tensor, one value per channel, or one of each position"


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
        _check_pair(node, context)
        return
    position = 0 if arrays[0] is not None else 1
    array, data = arrays[position], node.inputs[1 - position]
    assert array is not None and data is not None
    shape, result = shape_of(data), shape_of(node.outputs[0])
    if shape != result and spreads(shape, result):
        data, shape = spread(data, result, f"{node.name}.spread", node, context), result
        node.replace_input_with(1 - position, data)
    values = channel_values(array, shape)
    if values is None and (row := of_each_position(array, shape)) is not None:
        _normalize(between_flattenings(node, position, data, row, context), context)
        return
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


def _check_pair(node: ir.Node, context: Context) -> None:
    """Bring a node of two computed tensors, a skip connection or a product, to tensors of one
    shape.

    The second factor of a product may have size 1 along axes; the operands are exchanged for that.
    """
    if node.op_type not in ("Add", "Mul"):
        raise Refused(
            "two computed tensors", "an operand that is constant; Add, Sub, Mul of two tensors"
        )
    result = shape_of(node.outputs[0])
    left, right = shape_of(node.inputs[0]), shape_of(node.inputs[1])
    if left == right == result:
        return
    if not (spreads(left, result) and spreads(right, result)):
        raise Refused(
            f"tensors of shapes {left} and {right}",
            "tensors of as many axes, of one size or size 1 along each axis behind the batch",
        )
    if left != result:  # the factor that is spread comes second
        first, second = node.inputs
        node.replace_input_with(0, second)
        node.replace_input_with(1, first)
    for index in (0, 1) if node.op_type == "Add" else (0,):
        value = node.inputs[index]
        assert value is not None
        part = f"{node.name}.spread" + (f"{index}" if index else "")
        node.replace_input_with(index, spread(value, result, part, node, context))


CONSTANT_OPERAND = Pattern("constant operand", frozenset({"Add", "Sub", "Mul", "Div"}), _normalize)
