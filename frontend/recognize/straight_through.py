"""Straight-through estimators `(f + b) - b` and `(q - s) + s`, replaced by f and q.

Training code writes `f.detach() + b - b.detach()` so that the gradient is b's. The exported float32
expression differs from f by rounding noise; its intended value is f (N2UQ, Liu et al., CVPR 2022,
section 3.1). It is replaced only where f comes from a quantizer, and b is finite: infinity minus
infinity is no number.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ..arithmetic import FOLDED, NodeEvaluator
from ..constants import static
from ..diagnostics import CompileError
from ..schemas import DOMAIN
from .pattern import Context, Pattern, Refused
from .queries import Array, is_standard, operands, producer, shape_of
from .signs import is_not_negative, is_positive


def _is_quantizer(value: ir.Value, context: Context) -> bool:
    node = value.producer()
    if is_standard(node, "Transpose") and node is not None and node.inputs[0] is not None:
        node = node.inputs[0].producer()  # weights [I,O]
    while (
        is_standard(node, "Add", "Sub", "Mul", "Div") and node is not None
    ):  # its offset and scale
        if node in context.refusals:
            return True
        inner = [v for v in node.inputs if v is not None and not context.constants.known(v)]
        if len(inner) != 1:
            return False
        node = inner[0].producer()
    if node is None:
        return False
    # A refused quantizer counts as one: the error should name it, not the pair around it.
    return node.domain == DOMAIN or node in context.refusals


def _same_shape(quantized: ir.Value, whole: ir.Value) -> bool:
    """Return whether shapes are equal; b or s may be a larger tensor to which f is broadcast."""
    shapes = quantized.shape, whole.shape
    return None in shapes or shapes[0] == shapes[1]


_LAYERS = frozenset({"Gemm", "MatMul", "BatchNormalization"})  # of operators that constants have
_ORDERING = frozenset({"Clip", "Max", "Min", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
_POLES = {
    "Acos": 0, "Acosh": 0, "Asin": 0, "Atanh": 0, "Div": 1, "Log": 0, "Mod": 1, "Pow": 0,
    "Reciprocal": 0, "Sqrt": 0,
}  # fmt: skip
"""Operators that give no finite number for some finite ones, and which input those are."""

_MOST = 4096  # elements of a constant; larger ones are weights, which their quantizer has checked


def _infinite(value: ir.Value, context: Context) -> ir.Node | None:
    """Return a node by which ``value`` is infinite for some input; None if it is finite.

    Suspected are nodes behind the layer before that compute with infinity, divide by zero, or have
    poles. What they give may yet be selected nowhere: an interval of length 0 between equal
    thresholds.
    """
    cone: list[ir.Node] = []
    stack, seen, suspect = [value], set[ir.Node](), None
    while stack:
        node = stack.pop().producer()
        if node is None or node in context.finite or node in seen:
            continue
        if node.domain != "" or node.op_type in _LAYERS or node.op_type not in FOLDED:
            continue
        seen.add(node)
        cone.append(node)
        inputs = node.inputs[1:] if node.op_type == "Where" else node.inputs
        if (pole := _POLES.get(node.op_type)) is not None and pole < len(node.inputs):
            suspect = suspect if _avoids_pole(node, node.inputs[pole], context) else node
        stack += [x for x in node.inputs if x is not None and not context.constants.known(x)]
        for x in inputs:
            if x is None or not context.constants.known(x) or node.op_type in _ORDERING:
                continue
            by_zero = node.op_type == "Div" and x is node.inputs[1]
            if not _harmless(x, by_zero, context):
                suspect = node
    if suspect is not None and _is_finite(value, cone, context):
        return None
    context.finite.update(cone if suspect is None else ())
    return suspect


def _avoids_pole(node: ir.Node, operand: ir.Value | None, context: Context) -> bool:
    """Return whether an operator with a pole is finite at every value of its operand."""
    if operand is None or context.constants.known(operand) or is_positive(operand, context):
        return True  # what constants give is looked at by itself
    if is_standard(node, "Sqrt"):
        return is_not_negative(operand, context)
    if not is_standard(node, "Pow") or not context.constants.known(node.inputs[1]):
        return False
    exponents = context.constants.array(node.inputs[1])
    if exponents is None or not (exponents >= 0).all():
        return False
    return bool((exponents % 1 == 0).all()) or is_not_negative(operand, context)


def _harmless(x: ir.Value, by_zero: bool, context: Context) -> bool:
    """Return whether a constant is finite, and no zero where ``by_zero``."""
    if x.shape is None or not x.shape.is_static() or prod(static(x.shape)) > _MOST:
        return True
    array = context.constants.array(x)
    if array is None or array.dtype.kind != "f":
        return True
    return bool(np.isfinite(array).all()) and not (by_zero and not array.all())


def _is_finite(value: ir.Value, cone: list[ir.Node], context: Context) -> bool:
    """Evaluate the nodes on many numbers; False if something else than one tensor feeds them."""
    known, inside = context.constants.known, set(cone)
    sources = {
        x for node in cone for x in node.inputs
        if x is not None and not known(x) and x.producer() not in inside
    }  # fmt: skip
    if len(sources) != 1 or value in sources:
        return False
    (source,) = sources
    points = np.concatenate([np.linspace(-r, r, 4001) for r in (4.0, 64.0, 1024.0)])
    shape = (-1, *[1] * (len(shape_of(source)) - 1))
    values: dict[ir.Value, Array] = {source: points.astype(np.float32).reshape(shape)}
    arithmetic = NodeEvaluator(dict(context.graph.opset_imports), 0)
    try:
        for node in (n for n in context.graph if n in inside):
            given = [values[x] if x in values else context.constants.array(x) for x in node.inputs]
            values.update(zip(node.outputs, arithmetic.run(node, given), strict=True))
    except CompileError:
        return False
    return bool(np.isfinite(values[value]).all())


def _cancel(node: ir.Node, context: Context) -> None:
    if node.op_type == "Sub":  # (f + b) - b
        inner = producer(node.inputs[0], "Add")
        pairs = [(f, b) for f, b in operands(inner)] if inner is not None else []
        matches = [(f, b) for f, b in pairs if b is node.inputs[1]]
    else:  # (q - s) + s
        matches = []
        for difference, s in operands(node):
            inner = producer(difference, "Sub")
            if inner is not None and inner.inputs[1] is s and inner.inputs[0] is not None:
                matches.append((inner.inputs[0], s))
    for quantized, twin in matches:
        if _is_quantizer(quantized, context) and _same_shape(quantized, node.outputs[0]):
            if (at := _infinite(twin, context)) is not None:
                # Cancel it even so: nothing else around it is at fault.
                context.refusals[node] = Refused(
                    f"a straight-through pair whose '{twin.name}' may be infinite: node "
                    f"'{at.name}' computes with an infinite constant, or divides by zero",
                    "finite parameters, of intervals too",
                    "keep the interval lengths positive: a+ = max(a, 1e-3)",
                    fatal=True,
                )
            context.replace(node.outputs[0], quantized)
            return


STRAIGHT_THROUGH = Pattern("straight-through pair", frozenset({"Sub", "Add"}), _cancel)
