"""A quantizer's output offset, moved after MaxPool and Flatten so that these operate on codes.

max(a) + c = max(a + c) exactly. Convolutions support an offset of their input's codes, pools do
not.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import constant, is_op
from .pattern import Context, Pattern
from .queries import only_reader, producer


def _move(node: ir.Node, context: Context) -> None:
    """Move the offset `node`, an Add, after the operator that reads it."""
    codes, offset = node.inputs[0], node.inputs[1]
    while (moved := producer(codes, "MaxPool", "Flatten")) is not None:
        codes = moved.inputs[0]
    maker, array = codes.producer() if codes is not None else None, constant(offset)
    if not is_op(maker, "Threshold") or array is None or array.size != 1:
        return
    while (mover := only_reader(node.outputs[0], "MaxPool", "Flatten")) is not None:
        before, after = node.inputs[0], mover.outputs[0]
        assert before is not None and offset is not None
        mover.replace_input_with(0, before)
        add = ir.node("Add", [after, offset], name=str(node.name))
        (result,) = add.outputs
        result.dtype, result.shape = after.dtype or ir.DataType.FLOAT, after.shape
        context.graph.insert_after(mover, add)
        after.replace_all_uses_with(result, replace_graph_outputs=True)
        add.replace_input_with(0, after)
        result.name, after.name = after.name, f"{after.name}.codes"
        node = add


OFFSET = Pattern("offset of codes", frozenset({"Add"}), _move)
