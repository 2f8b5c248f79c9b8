"""Means and maxima over other axes than the last: the tensor is turned so that they come last."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import initializer
from .pattern import Context, Pattern
from .pooling import reduced_axes
from .queries import shape_of


def _turn(node: ir.Node, context: Context) -> None:
    """Rewrite a reduction over channels or tokens, or over one axis of a map.

    The axes that stay come first, then those reduced, by a Transpose.  Of a map of which one axis
    goes, the other stays: the result is a window as long as the axis, by AveragePool or MaxPool.
    """
    data, shape = node.inputs[0], shape_of(node.inputs[0])
    axes = reduced_axes(node, context)
    if data is None or axes is None or len(shape) not in (3, 4) or 0 in axes:
        return
    rest = [axis for axis in range(1, len(shape)) if axis not in axes]
    if not rest or axes == list(range(2, len(shape))):
        return
    chained = [use.node for use in node.outputs[0].uses()]
    if any(n is not None and n.op_type == node.op_type for n in (data.producer(), *chained)):
        return  # means in a row, axis by axis, are one: `pooling`
    kept = node.attributes.get_int("keepdims", 1) == 1
    order = [0, *rest, *axes]
    turned = _transposed(data, order, node, context)
    sizes = [shape[axis] for axis in order]
    if len(rest) == 1:
        over = list(range(2, len(shape)))
        reduced = ir.node(node.op_type, [turned], {"axes": over, "keepdims": 1}, version=13)
    else:
        window = {"kernel_shape": (1, sizes[3]), "strides": (1, 1), "pads": (0, 0, 0, 0)}
        kind = "AveragePool" if node.op_type == "ReduceMean" else "MaxPool"
        reduced = ir.node(kind, [turned], window)
    reduced.name = str(node.name)
    result = context.insert(node, reduced)
    result.shape = ir.Shape([*sizes[: len(rest) + 1], *[1] * len(axes)])
    if kept:
        result = _transposed(result, [order.index(k) for k in range(len(order))], node, context)
    else:
        result = _dropped(result, len(rest) + 1, node, context)
    context.replace(node.outputs[0], result)


def _transposed(value: ir.Value, perm: list[int], node: ir.Node, context: Context) -> ir.Value:
    return value if perm == sorted(perm) else context.transpose(node, value, perm, str(node.name))


def _dropped(value: ir.Value, rank: int, node: ir.Node, context: Context) -> ir.Value:
    """Drop the axes of size 1 from ``rank`` on."""
    shape = shape_of(value)[:rank]
    batch = [0] if context.dynamic else [context.batch]
    target = initializer(
        context.graph, f"{value.name}.shape", np.array([*batch, *shape[1:]], np.int64)
    )
    result = context.insert(node, ir.node("Reshape", [value, target], name=str(node.name)))
    result.shape = ir.Shape(shape)
    return result


MEAN_AXES = Pattern("mean over other axes", frozenset({"ReduceMean", "ReduceMax"}), _turn)
