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

from ..constants import static
from ..schemas import DOMAIN
from .pattern import Context, Pattern, Refused
from .queries import is_standard, operands, producer


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


_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"})
_ORDERING = frozenset({"Clip", "Max", "Min", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
_MOST = 4096  # elements of a constant; larger ones are weights, which their quantizer has checked


def _infinite(value: ir.Value, context: Context) -> ir.Node | None:
    """Return a node between the layer before and ``value`` that computes with infinity, or by zero.

    What compares with infinity, or clips there, gives finite numbers nevertheless.
    """
    stack = [value]
    while stack:
        node = stack.pop().producer()
        if node is None or node in context.finite or node.domain != "" or node.op_type in _LAYERS:
            continue
        context.finite.add(node)
        inputs = node.inputs[1:] if node.op_type == "Where" else node.inputs
        for index, x in enumerate(inputs):
            if x is None or not context.constants.known(x):
                stack += [] if x is None else [x]
                continue
            if node.op_type in _ORDERING or x.shape is None or not x.shape.is_static():
                continue
            if prod(static(x.shape)) > _MOST:
                continue
            array = context.constants.array(x)
            if array is None or array.dtype.kind != "f":
                continue
            by_zero = node.op_type == "Div" and index == 1 and not array.all()
            if by_zero or not np.isfinite(array).all():
                return node
    return None


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
                    f"a straight-through pair whose '{twin.name}' is infinite: node '{at.name}' "
                    "computes with an infinite constant, or divides by zero",
                    "finite parameters, of intervals too",
                    "keep the interval lengths positive: a+ = max(a, 1e-3)",
                    fatal=True,
                )
            context.replace(node.outputs[0], quantized)
            return


STRAIGHT_THROUGH = Pattern("straight-through pair", frozenset({"Sub", "Add"}), _cancel)
