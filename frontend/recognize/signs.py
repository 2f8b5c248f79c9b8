"""Values that cannot be negative, or 0, as the operators say that make them."""

from __future__ import annotations

import onnx_ir as ir

from ..opset import is_op
from .pattern import Context
from .queries import is_standard

_NEVER_NEGATIVE = frozenset({"Abs", "Relu", "Sqrt", "Sigmoid", "Exp", "ReduceL1", "ReduceL2"})
_AS_THEIR_INPUT = frozenset({
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "GlobalAveragePool", "AveragePool",
    "GlobalMaxPool", "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten",
    "Identity", "Expand",
})  # fmt: skip
_FAR = 32  # nodes


def is_positive(value: ir.Value | None, context: Context) -> bool:
    """Return whether all values are above 0: a positive constant is added to what is at least 0,
    or bounds it below.

    Also its root, and what is moved.
    """
    for _ in range(_FAR):
        node = value.producer() if value is not None else None
        if node is None or node.domain != "":
            return False
        if node.op_type == "Add":
            return any(
                _is_positive_constant(node.inputs[k], context)
                and is_not_negative(node.inputs[1 - k], context)
                for k in (0, 1)
            )
        if is_standard(node, "Max"):
            return any(_is_positive_constant(bound, context) for bound in node.inputs)
        if is_standard(node, "Clip"):
            ends = [*node.inputs[1:], None, None][:2]
            return _is_positive_constant(ends[0], context) and (
                ends[1] is None or _is_positive_constant(ends[1], context)
            )
        if node.op_type != "Sqrt" and node.op_type not in _AS_THEIR_INPUT:
            return False
        value = node.inputs[0]
    return False


def _is_positive_constant(value: ir.Value | None, context: Context) -> bool:
    if value is None or not context.constants.known(value):
        return False
    array = context.constants.array(value)
    return array is not None and array.dtype.kind in "fiu" and bool((array > 0).all())


def is_not_negative(value: ir.Value | None, context: Context) -> bool:
    """Return whether all values are 0 or more, as far as operators say: squares, norms, roots."""
    for _ in range(_FAR):
        node = value.producer() if value is not None else None
        if node is not None and is_op(node, "Rearrange"):  # outside it puts 0
            value = node.inputs[0]
            continue
        if node is None or node.domain != "":
            return False
        if node.op_type == "Mul":
            return node.inputs[0] is node.inputs[1]
        if is_standard(node, "Pow"):
            power = context.constants.scalar(node.inputs[1])
            return power is not None and float(power) % 2 == 0
        if node.op_type in _NEVER_NEGATIVE:
            return True
        if node.op_type not in _AS_THEIR_INPUT:
            return False
        value = node.inputs[0]
    return False
