"""Softplus with its guard against overflow: the identity above 20, as PyTorch's exporter writes.

Where(b*x > 20, x, softplus(b*x)/b). The two branches differ by log(1 + exp(-20))/b there, a
thirtieth of what float32 rounds x by: the network is taken to compute Softplus, which has no
such step.
"""

from __future__ import annotations

import onnx_ir as ir

from .pattern import Context, Pattern
from .queries import is_standard, operands, producer

_LEAST = 16.0  # above it, exp(-x) is less than half a unit in the last place of a float32 x


def _remove(node: ir.Node, context: Context) -> None:
    chosen, line, curve = node.inputs
    greater = producer(chosen, "Greater", "GreaterOrEqual")
    if greater is None or line is None or curve is None:
        return
    level = context.constants.scalar(greater.inputs[1])
    if level is None or not float(level) >= _LEAST:
        return
    factor, inner = 1.0, curve
    softplus = producer(curve, "Softplus", "Log")
    if softplus is None and (scaled := producer(curve, "Div", "Mul")) is not None:
        number = context.constants.scalar(scaled.inputs[1])
        if number is None or not number:
            return
        factor = float(number) if scaled.op_type == "Div" else 1 / float(number)
        assert scaled.inputs[0] is not None
        inner = scaled.inputs[0]
        softplus = producer(inner, "Softplus", "Log")
    argument = _argument(softplus, context)
    if argument is None or argument is not greater.inputs[0]:
        return
    if argument is line:
        same = factor == 1.0
    else:
        same = any(
            x is line and (number := context.constants.scalar(other)) is not None
            and abs(float(number) - factor) <= 1e-6 * factor
            for multiplication in (producer(argument, "Mul"),)
            if multiplication is not None
            for x, other in operands(multiplication)
        )  # fmt: skip
    if same:
        context.replace(node.outputs[0], curve)


def _argument(node: ir.Node | None, context: Context) -> ir.Value | None:
    """Return u of softplus(u), an operator or log(exp(u) + 1)."""
    if node is None or is_standard(node, "Softplus"):
        return node.inputs[0] if node is not None else None
    total = producer(node.inputs[0], "Add")
    for value, other in operands(total) if total is not None else ():
        exponential = producer(value, "Exp")
        if exponential is not None and context.constants.scalar(other) == 1:
            return exponential.inputs[0]
    return None


OVERFLOW_GUARD = Pattern("guard against overflow", frozenset({"Where"}), _remove)
