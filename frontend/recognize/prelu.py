"""PRelu with one slope per channel, written [C,1,1], [1,C,1,1] or expanded."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import constant, initializer
from .pattern import Context, Pattern, Refused
from .queries import channel_values, shape_of


def _normalize(node: ir.Node, context: Context) -> None:
    data, slope = node.inputs
    shape, array = shape_of(data), constant(slope)
    if array is None:
        raise Refused("a computed slope", "a constant slope")
    values = channel_values(array, shape)
    if values is None:
        raise Refused(
            f"a slope of shape {array.shape} that differs between positions of {shape}",
            "one slope for the tensor, or one per channel",
        )
    form = np.ascontiguousarray(np.broadcast_to(values, shape[1])).reshape(
        -1, *[1] * (len(shape) - 2)
    )
    if form.shape != array.shape:
        name = str(slope.name) if slope is not None else f"{node.name}.slope"
        node.replace_input_with(1, initializer(context.graph, name, form))


PRELU = Pattern("PRelu slope", frozenset({"PRelu"}), _normalize)
