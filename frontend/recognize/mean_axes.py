"""Means and maxima over other axes than the last: the tensor is turned so that they come last.

Those in a row, axis by axis, are one: each is over equally many values.
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from .pattern import Context, Pattern, Refused
from .pooling import reduced_axes
from .queries import producer, shape_of


def _turn(node: ir.Node, context: Context) -> None:
    """Rewrite a reduction over channels or tokens, over one axis of a map, or over all of it.

    The axes that stay come first, then those reduced, by a Transpose.  Of a map of which one axis
    goes, the other stays: the result is a window as long as the axis, by AveragePool or MaxPool.
    A whole map is reduced as one line.
    """
    if context.constants.known(node.inputs[0]):
        return
    if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
        return  # it is part of a later one
    axes = _with_those_before(node, context)
    data, shape = node.inputs[0], shape_of(node.inputs[0])
    if data is None or axes is None or not 2 <= len(shape) <= 4 or 0 in axes:
        return
    rest = [axis for axis in range(1, len(shape)) if axis not in axes]
    if rest and axes == list(range(2, len(shape))):
        return
    kept = _keeps_axes(node)
    if not rest:
        line = context.reshape(node, data, (shape[0], 1, prod(shape[1:])), str(node.name))
        reduced = ir.node(node.op_type, [line], {"axes": [2], "keepdims": 1}, version=13)
        reduced.name = str(node.name)
        result = context.insert(node, reduced)
        result.shape = ir.Shape([shape[0], 1, 1])
        ones = (1,) * (len(shape) - 1) if kept else ()
        context.replace(
            node.outputs[0], context.reshape(node, result, (shape[0], *ones), str(node.name))
        )
        return
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
        result = context.reshape(node, result, shape_of(result)[: len(rest) + 1], str(node.name))
    context.replace(node.outputs[0], result)


def _transposed(value: ir.Value, perm: list[int], node: ir.Node, context: Context) -> ir.Value:
    return value if perm == sorted(perm) else context.transpose(node, value, perm, str(node.name))


def _with_those_before(node: ir.Node, context: Context) -> list[int] | None:
    """Take into a reduction all those of its kind in front that nothing else reads.

    Args:
        node: its input and axes are changed.
        context: the constants.

    Returns:
        Its axes, ascending; None if it states none.
    """
    axes = reduced_axes(node, context)
    while axes is not None and 0 not in axes:
        before = producer(node.inputs[0], node.op_type)
        if before is None or _keeps_axes(before) != _keeps_axes(node):
            break
        value = before.outputs[0]
        try:
            outer = reduced_axes(before, context)
        except Refused:
            break  # told where that node is visited
        if len(list(value.uses())) > 1 or value.is_graph_output() or not outer or 0 in outer:
            break
        rank = len(shape_of(before.inputs[0]))
        left = [axis for axis in range(rank) if _keeps_axes(node) or axis not in outer]
        axes = sorted({*outer, *(left[axis] for axis in axes)})
        node.resize_inputs(1)
        node.replace_input_with(0, before.inputs[0])
        node.attributes.add(ir.AttrInt64s("axes", axes))
    return axes


def _keeps_axes(node: ir.Node) -> bool:
    return node.attributes.get_int("keepdims", 1) == 1


MEAN_AXES = Pattern(
    "mean over other axes", frozenset({"ReduceMean", "ReduceMax"}), _turn, backwards=True
)
