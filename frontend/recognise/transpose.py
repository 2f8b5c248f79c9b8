"""Channels-last islands: a Transpose moves down past elementwise operators to its inverse.

FINN and QONNX write activations as Transpose, MultiThreshold on [N,H,W,C], Transpose back.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import is_op, read_codebook, read_threshold
from .base import Context, Pattern, is_standard, producer

_ELEMENTWISE = ("Relu", "LeakyRelu", "Clip", "Add", "Sub", "Mul", "Div")


def _perm(node: ir.Node) -> tuple[int, ...]:
    given = node.attributes.get_ints("perm")
    if given is not None:
        return tuple(given)
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    return tuple(reversed(range(len(shape)))) if shape is not None else ()


def _cancel(node: ir.Node, context: Context) -> None:
    """Follows one Transpose down as far as it goes."""
    if context.constants.known(node.outputs[0]):
        return
    waiting = [node]
    while waiting:
        transpose = waiting.pop()
        source, perm = transpose.inputs[0], _perm(transpose)
        if source is None or not perm:
            continue
        for reader in transpose.outputs[0].consumers():
            if is_standard(reader, "Transpose"):
                joined = [perm[axis] for axis in _perm(reader)]
                if joined == list(range(len(perm))):
                    context.replace(reader.outputs[0], source)
                else:
                    reader.replace_input_with(0, source)
                    reader.attributes.add(ir.AttrInt64s("perm", joined))
            elif _is_layout_free(reader, perm, context):
                waiting.append(_swap(transpose, reader, perm, context))


def _is_layout_free(node: ir.Node, perm: tuple[int, ...], context: Context) -> bool:
    """Whether a node does the same to every element, of one tensor or two of this layout."""
    if is_op(node, "Threshold"):
        return len(read_threshold(node).thresholds) == 1
    if is_op(node, "Codebook"):
        return len(read_codebook(node).thresholds) == 1
    if not is_standard(node, *_ELEMENTWISE):
        return False
    for value in node.inputs:
        if value is None or context.constants.scalar(value) is not None:
            continue
        above = producer(value, "Transpose")
        if above is None or _perm(above) != perm:
            return False
    return True


def _swap(
    transpose: ir.Node, node: ir.Node, perm: tuple[int, ...], context: Context
) -> ir.Node:
    """`node` reads what the Transpose reads; a new Transpose stands behind it."""
    for index, value in enumerate(node.inputs):
        above = producer(value, "Transpose")
        if above is not None:
            node.replace_input_with(index, above.inputs[0])
    (output,) = node.outputs
    below = ir.node("Transpose", [output], {"perm": perm}, name=str(transpose.name))
    (moved,) = below.outputs
    moved.dtype, moved.shape = output.dtype or ir.DataType.FLOAT, output.shape
    context.graph.insert_after(node, below)
    output.replace_all_uses_with(moved, replace_graph_outputs=True)
    below.replace_input_with(0, output)
    moved.name, output.name = output.name, f"{output.name}.before_{transpose.name}"
    source = node.inputs[0]
    output.shape = source.shape if source is not None else None
    return below


TRANSPOSE = Pattern("layout", frozenset({"Transpose"}), _cancel)
