"""A tensor divided by what means make: times the reciprocal, which then is part of a function.

Numbers divided by the root of their own mean square are bounded, which interval arithmetic does not
see: of n of them, ``x_i * x_i <= n * mean(x * x)``.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import onnx_ir as ir

from ..opset import constant, initializer, is_op, read_rearrange
from ..places import combined
from .pattern import Context, Pattern
from .queries import is_standard, producer, shape_of
from .signs import is_positive

_LAYOUT = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
_MEANS = "GlobalAveragePool", "AveragePool", "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2"
_MOST = 1 << 24  # elements whose places are compared
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


def _bound(node: ir.Node, context: Context) -> None:
    """Insert a Clip behind a product with the inverse root of the factor's own mean square."""
    for k in (0, 1):
        factor, inverse = node.inputs[k], _behind(node.inputs[1 - k], _LAYOUT).producer()
        if not is_standard(inverse, "Reciprocal") or inverse is None or factor is None:
            continue
        root = _behind(inverse.inputs[0], _LAYOUT).producer()
        if (
            not is_standard(root, "Sqrt")
            or root is None
            or not is_positive(root.inputs[0], context)
        ):
            continue
        total = producer(_behind(root.inputs[0], _LAYOUT), "Add")
        if total is None:
            continue
        means = [x for x in total.inputs if not context.constants.known(x)]
        square = _behind(means[0], _LAYOUT.union(_MEANS[:3])).producer() if means else None
        if square is None or not _is_square(square, context):
            continue
        if _behind(square.inputs[0], _LAYOUT) is not _behind(factor, _LAYOUT):
            continue
        count = prod(shape_of(factor)) // prod(shape_of(inverse.outputs[0]))
        most = np.float32(sqrt(count) * (1 + 2.0**-20))
        ends = [
            initializer(context.graph, f"{node.name}.{name}", np.array(end, np.float32))
            for name, end in (("least", -most), ("most", most))
        ]
        old = node.outputs[0]
        clip = ir.node("Clip", [old, *ends], name=f"{node.name}.ends")
        clip.outputs[0].name, clip.outputs[0].shape = f"{clip.name}_out", old.shape
        clip.outputs[0].dtype = ir.DataType.FLOAT
        context.graph.insert_after(node, clip)
        for use in list(old.uses()):
            if use.node is not clip:
                use.node.replace_input_with(use.idx, clip.outputs[0])
        return


def _behind(value: ir.Value | None, ops: frozenset[str]) -> ir.Value:
    """Return the value that operators of a kind lead to a value from."""
    assert value is not None
    while (node := value.producer()) is not None:
        if not (node.domain == "" and node.op_type in ops) and not _is_permutation(node):
            break
        assert node.inputs[0] is not None
        value = node.inputs[0]
    return value


def _is_permutation(node: ir.Node) -> bool:
    """Return whether a node moves every element to one place."""
    if not is_op(node, "Rearrange"):
        return False
    sizes = [prod(shape_of(value)[1:]) for value in (node.inputs[0], node.outputs[0])]
    if sizes[0] != sizes[1] or sizes[0] > _MOST:
        return False
    places = combined(read_rearrange(node))
    return bool((places >= 0).all()) and len(np.unique(places)) == sizes[0]


def _is_square(node: ir.Node, context: Context) -> bool:
    if is_standard(node, "Pow"):
        return context.constants.scalar(node.inputs[1]) == 2
    return is_standard(node, "Mul") and node.inputs[0] is node.inputs[1]


QUOTIENT = Pattern("quotient by means", frozenset({"Div"}), _multiply)
NORMALIZED = Pattern("bounds of normalized values", frozenset({"Mul"}), _bound)
