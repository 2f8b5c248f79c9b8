"""Clamps: Relu, ReLU6 and other ways to write them (Clip, Max, Min, Where with a bound)."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import initializer
from .pattern import Context, Pattern, Refused
from .queries import operands

_CLIP_INPUTS = 3


def _clip(node: ir.Node, context: Context) -> None:
    """Check for constant bounds; rewrite a Clip from 0 without upper bound as Relu."""
    bounds: list[float | None] = [None, None]
    for index in range(1, min(len(node.inputs), _CLIP_INPUTS)):
        value = node.inputs[index]
        if value is None:
            continue
        scalar = context.constants.scalar(value)
        if scalar is None:
            raise Refused("a computed bound", "constant bounds")
        bound = float(scalar)
        if np.isnan(bound):
            raise Refused("a bound that is not a number", "constant bounds")
        bounds[index - 1] = bound if np.isfinite(bound) else None
        if np.isinf(bound) and (bound > 0) == (index == 1):
            raise Refused(f"a {('lower', 'upper')[index - 1]} bound of {bound}", "finite bounds")
    low, high = bounds
    if low is not None and high is not None and low > high:
        raise Refused(f"bounds {low:g} to {high:g}", "a lower bound below the upper")
    data = node.inputs[0]
    assert data is not None
    if low is None and high is None:
        context.replace(node.outputs[0], data)
        return
    if low == 0 and high is None:
        node.op_type = "Relu"
        node.resize_inputs(1)
        return
    node.resize_inputs(_CLIP_INPUTS)
    for index, limit in ((1, low), (2, high)):
        old = node.inputs[index]
        if limit is None:
            node.replace_input_with(index, None)
        elif old is None or old.const_value is None or old.const_value.shape != ():
            name = f"{node.name}.{'min' if index == 1 else 'max'}"
            parameter = initializer(context.graph, name, np.array(limit, np.float32))
            node.replace_input_with(index, parameter)
    if high is None:
        node.resize_inputs(_CLIP_INPUTS - 1)


def _bound(node: ir.Node, context: Context) -> None:
    """Rewrite Max(x, c) and Min(x, c) as Clip, or as Relu."""
    for data, other in operands(node):
        bound = context.constants.scalar(other)
        if bound is None or context.constants.known(data):
            continue
        limit = initializer(context.graph, f"{node.name}.bound", np.array(bound, np.float32))
        inputs = [data, limit] if node.op_type == "Max" else [data, None, limit]
        clip = ir.node("Clip", inputs, name=str(node.name))
        context.replace(node.outputs[0], context.insert(node, clip))
        return


BOUND = Pattern("bound", frozenset({"Max", "Min"}), _bound)
CLIP = Pattern("clip", frozenset({"Clip"}), _clip)
