"""Strided views that move nothing: a Gather of all elements of a flattened tensor, in order.

PyTorch's dynamo-based exporter writes `aten::as_strided` as Reshape to one axis and Gather of
computed positions. Models in the memory format channels_last have it after global pooling.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import initializer
from .pattern import Context, Pattern, Refused
from .queries import producer, shape_of


def _recognize(node: ir.Node, context: Context) -> None:
    flat = producer(node.inputs[0], "Reshape")
    if flat is None or context.constants.known(flat.outputs[0]):
        return
    if len(shape_of(flat.outputs[0])) != 1:
        return
    data, places, view = flat.inputs[0], node.inputs[1], shape_of(node.outputs[0])
    if data is None or places is None or not context.constants.known(places):
        raise Refused("a view at computed places", "constant strides")
    held = [context.constants.array(places)]
    if context.constants.depends_on_batch(places):
        held.append(context.constants.with_other_batch(places))
    elif context.dynamic:
        raise Refused(
            "a view of a fixed number of images while the input's batch is dynamic",
            "a batch size read from the input",
            "export again with a static batch",
        )
    in_order = [p is not None and np.array_equal(p.ravel(), np.arange(p.size)) for p in held]
    if not all(in_order) or view[:1] != shape_of(data)[:1]:
        raise Refused(
            f"a view {view} of a tensor {shape_of(data)} that moves or repeats values",
            "the same values in the same order",
            "call .contiguous() in place of as_strided, or export the model in contiguous_format",
        )
    target = initializer(context.graph, f"{node.name}.shape", np.array([0, *view[1:]], np.int64))
    reshape = ir.node("Reshape", [data, target], name=str(node.name))
    reshape.outputs[0].shape = node.outputs[0].shape
    context.replace(node.outputs[0], context.insert(node, reshape))


STRIDED_VIEW = Pattern("strided view", frozenset({"Gather"}), _recognize)
