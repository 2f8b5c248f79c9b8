"""Pad before a layer, merged into the layer's padding; exact.

Convolutions pad with zeros, and MaxPool with the lowest number. Other padding moves elements, and
is left to `rearrange`: of another constant, by zeros between a shift and its reverse.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .pattern import Context, Pattern, Refused
from .queries import is_standard, shape_of
from .windows import explicit_window


def _absorb(node: ir.Node, context: Context) -> None:
    data, output = node.inputs[0], node.outputs[0]
    mode = node.attributes.get_string("mode", "constant")
    if mode != "constant":
        return
    number = context.constants.scalar(node.inputs[2] if len(node.inputs) > 2 else None)
    fill = 0.0 if number is None else float(number)
    lowest = fill <= np.finfo(np.float32).min
    if fill != 0 and np.isfinite(fill) and not lowest and not context.constants.known(data):
        _shift(node, fill, context)
        return
    if fill != 0 and not lowest:
        return
    pads, shape = _pads(node, len(shape_of(data)), context), shape_of(data)
    half = len(shape)
    if half not in (3, 4) or any(pads[:2]) or any(pads[half : half + 2]) or min(pads) < 0:
        return
    readers = output.consumers()
    if output.is_graph_output() or not all(
        is_standard(reader, "MaxPool" if lowest else "Conv") and reader.inputs[0] is output
        for reader in readers
    ):
        return
    for conv in readers:
        kernel = None if lowest else shape_of(conv.inputs[1])[2:]
        own = explicit_window(conv, shape_of(output), kernel).attributes(half)["pads"]
        joined = [a + b for a, b in zip(own, (*pads[2:half], *pads[half + 2 :]), strict=True)]
        conv.attributes.pop("auto_pad", None)
        conv.attributes.add(ir.AttrInt64s("pads", joined))
        conv.replace_input_with(0, data)


def _shift(node: ir.Node, fill: float, context: Context) -> None:
    """Rewrite Pad with a constant c: zeros around x - c, and c added to all."""
    data, result = node.inputs[0], node.outputs[0]
    assert data is not None
    below = context.with_number(node, "Add", data, -fill, f"{node.name}.below")
    pad = ir.node("Pad", [below, node.inputs[1]], {"mode": "constant"}, name=f"{node.name}.zeros")
    if len(node.inputs) > 3:
        pad.resize_inputs(4)
        pad.replace_input_with(3, node.inputs[3])
    pad.outputs[0].name, pad.outputs[0].shape = f"{result.name}.zeros", result.shape
    padded = context.insert(node, pad)
    context.replace(result, context.with_number(node, "Add", padded, fill, str(node.name)))


def _pads(node: ir.Node, rank: int, context: Context) -> list[int]:
    """Return the padding at the begin of every axis, then at the end of every axis."""
    array = context.constants.array(node.inputs[1])
    axes = context.constants.array(node.inputs[3]) if len(node.inputs) > 3 else None
    if array is None or (len(node.inputs) > 3 and node.inputs[3] is not None and axes is None):
        raise Refused("computed pads", "constant pads")
    pads, given = [0] * (2 * rank), [int(p) for p in array.reshape(-1)]
    where = range(rank) if axes is None else [int(a) % rank for a in axes.reshape(-1)]
    for k, axis in enumerate(where):
        pads[axis], pads[rank + axis] = given[k], given[len(given) // 2 + k]
    return pads


PAD = Pattern("padding", frozenset({"Pad"}), _absorb)
