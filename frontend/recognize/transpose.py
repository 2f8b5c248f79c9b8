"""Channels-last parts: a Transpose moves down after elementwise
operators until it meets its inverse.

FINN and QONNX write activations as Transpose, MultiThreshold on [N,H,W,C], Transpose back.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import initializer, is_op
from .channels_last_input import is_entry, thresholds_of_tensor
from .function_operators import RULES
from .pattern import Context, Pattern
from .queries import is_standard, producer, stated_axes

_ELEMENTWISE = (
    *RULES,
    *("Round", "Floor", "Ceil", "Sign", "Cast", "GreaterOrEqual", "LessOrEqual"),
)
"""All of which functions and quantizers are made: one that stopped a Transpose would leave it
between the parts of one.
"""


def _perm(node: ir.Node) -> tuple[int, ...]:
    given = node.attributes.get_ints("perm")
    if given is not None:
        return tuple(given)
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    return tuple(reversed(range(len(shape)))) if shape is not None else ()


def _cancel(node: ir.Node, context: Context) -> None:
    """Move one Transpose down as far as possible."""
    if context.constants.known(node.outputs[0]):
        return
    if is_entry(node) and not _meets_inverse(node):
        return  # the input is channels last: see edges.py
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
            elif _passes_by(transpose, reader, perm, context):
                continue
            elif _is_layout_free(reader, perm, context):
                waiting.append(_swap(transpose, reader, perm, context))


def _meets_inverse(node: ir.Node) -> bool:
    """Return whether only elementwise operators are between a Transpose and its inverses."""
    perm, values, seen = _perm(node), [node.outputs[0]], set[ir.Node]()
    while values:
        value = values.pop()
        if value.is_graph_output():
            return False
        for reader in value.consumers():
            if is_standard(reader, "Transpose"):
                if [perm[axis] for axis in _perm(reader)] != list(range(len(perm))):
                    return False
            elif reader in seen:
                continue
            elif is_standard(reader, *_ELEMENTWISE) or is_op(reader, "Threshold"):
                seen.add(reader)
                values.append(reader.outputs[0])
            else:
                return False
    return True


def _is_layout_free(node: ir.Node, perm: tuple[int, ...], context: Context) -> bool:
    """Return whether a node is elementwise, with one data input or two of the same layout."""
    if is_op(node, "Threshold") or is_op(node, "Codebook"):
        return thresholds_of_tensor(node)
    if not is_standard(node, *_ELEMENTWISE):
        return False
    for value in node.inputs:
        if value is None or context.constants.scalar(value) is not None:
            continue
        if context.constants.known(value) and value.shape is not None:
            if len(value.shape) > len(perm):
                return False
            continue
        above = producer(value, "Transpose")
        if above is None or _perm(above) != perm:
            return False
    return True


def _turn_constant(
    node: ir.Node, index: int, value: ir.Value, perm: tuple[int, ...], context: Context
) -> None:
    """Transpose a constant operand to the layout before the Transpose."""
    array = context.constants.array(value)
    if array is None or array.size == 1:
        return
    full = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    turned = full.transpose(np.argsort(perm))
    constant = initializer(context.graph, f"{value.name}.turned", turned)
    constant.shape = ir.Shape(turned.shape)
    node.replace_input_with(index, constant)


def _passes_by(
    transpose: ir.Node, reader: ir.Node, perm: tuple[int, ...], context: Context
) -> bool:
    """Connect a node that does not depend on the layout to the Transpose's input, if possible."""
    if is_standard(reader, "Reshape", "Flatten"):
        return _skip_single(transpose, reader, perm)
    return is_standard(reader, "ReduceMean") and _turn_mean(transpose, reader, perm, context)


def _skip_single(transpose: ir.Node, reader: ir.Node, perm: tuple[int, ...]) -> bool:
    """Connect a flattening to the Transpose's input, if the Transpose moves only axes of size 1."""
    source = transpose.inputs[0]
    if source is None or source.shape is None or not source.shape.is_static():
        return False
    sizes = [int(source.shape[axis]) for axis in perm]  # type: ignore[arg-type]
    moved = [axis for axis, size in zip(perm, sizes, strict=True) if size != 1]
    if perm[0] != 0 or [a for a in moved if a] != sorted(a for a in moved if a):
        return False
    reader.replace_input_with(0, source)
    return True


def _turn_mean(
    transpose: ir.Node, reader: ir.Node, perm: tuple[int, ...], context: Context
) -> bool:
    """Connect a mean that drops its axes to the Transpose's input, with the axes renamed."""
    axes = stated_axes(reader, context)
    kept = reader.attributes.get_int("keepdims", 1) == 1
    if not axes or kept:
        return False
    before = sorted(perm[axis % len(perm)] for axis in axes)
    left = [axis for axis in perm if axis not in before]
    if left != sorted(left):
        return False
    reader.resize_inputs(1)
    reader.replace_input_with(0, transpose.inputs[0])
    reader.attributes.add(ir.AttrInt64s("axes", before))
    return True


def _swap(transpose: ir.Node, node: ir.Node, perm: tuple[int, ...], context: Context) -> ir.Node:
    """Connect `node` to the Transpose's input and insert a new Transpose after it."""
    for index, value in enumerate(node.inputs):
        above = producer(value, "Transpose")
        if value is not None and context.constants.known(value):
            if node.domain:
                continue  # a quantizer's parameters are not transposed
            _turn_constant(node, index, value, perm, context)
        elif above is not None:
            node.replace_input_with(index, above.inputs[0])
    (output,) = node.outputs
    below = ir.node("Transpose", [output], {"perm": perm}, name=str(transpose.name))
    (moved,) = below.outputs
    moved.dtype, moved.shape = output.dtype or ir.DataType.FLOAT, output.shape
    context.graph.insert_after(node, below)
    output.replace_all_uses_with(moved, replace_graph_outputs=True)
    below.replace_input_with(0, output)
    moved.name, output.name = output.name, f"{output.name}.before_{transpose.name}"
    # A bias may stand first, as in a sum of MatMul.
    source = next(v for v in node.inputs if v is not None and not context.constants.known(v))
    output.shape = source.shape
    return below


TRANSPOSE = Pattern("layout", frozenset({"Transpose"}), _cancel)
