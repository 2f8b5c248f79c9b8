"""A tensor divided by what means make: times the reciprocal, which then is part of a function."""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant
from .pattern import Context, Pattern
from .queries import is_standard

_MEANS = "GlobalAveragePool", "AveragePool", "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2"
_FAR = 16  # nodes between a mean and what is divided by it: eps, root, layout


def _multiply(node: ir.Node, context: Context) -> None:
    """Rewrite a quotient of two computed tensors, as normalizations in parts have."""
    divisor = node.inputs[1]
    if divisor is None or constant(node.inputs[0]) is not None or not _is_of_means(divisor):
        return
    inverse = ir.node("Reciprocal", [divisor], name=f"{node.name}.inverse")
    inverse.outputs[0].shape = divisor.shape
    inverse.outputs[0].name = f"{node.outputs[0].name}.inverse"
    node.replace_input_with(1, context.insert(node, inverse))
    node.op_type = "Mul"


def _is_of_means(value: ir.Value | None) -> bool:
    """Return whether a tensor is computed from means over the image, number by number."""
    for _ in range(_FAR):
        node = value.producer() if value is not None else None
        if node is None or is_standard(node, *_MEANS):
            return node is not None
        computed = [x for x in node.inputs if x is not None and constant(x) is None]
        if len({*computed}) != 1:
            return False
        value = computed[0]
    return False


QUOTIENT = Pattern("quotient by means", frozenset({"Div"}), _multiply)
