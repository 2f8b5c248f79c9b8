"""Channels-last inputs: a Transpose moves up to the input, before the elementwise operators.

In `(x / 255).permute(0, 3, 1, 2)` the user's tensor is [N,H,W,C], and the network's first map is
the result of the Transpose. Normalization, clips and quantizers before the Transpose move after it,
with their constants transposed.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edges import TO_CHANNELS_FIRST
from ..opset import initializer, is_op, read_codebook, read_threshold
from ..schemas import DOMAIN
from .pattern import Context, Pattern
from .qonnx import DOMAINS
from .queries import Array, is_standard

_ELEMENTWISE = frozenset(
    "Relu LeakyRelu PRelu Clip Add Sub Mul Div Min Max Round Floor Ceil Neg Abs Sign Where Greater "
    "GreaterOrEqual Less LessOrEqual Cast Identity Dropout".split()
)
_SCALED = frozenset({"QuantizeLinear", "DequantizeLinear"})
_QUANT = frozenset({"Quant", "IntQuant", "BipolarQuant", "Trunc"})


def is_entry(node: ir.Node) -> bool:
    """Return whether a Transpose brings the network's input to channels first."""
    source, perm = node.inputs[0], node.attributes.get_ints("perm", ())
    return source is not None and source.is_graph_input() and tuple(perm or ()) in TO_CHANNELS_FIRST


def thresholds_of_tensor(node: ir.Node) -> bool:
    """Return whether a Threshold or Codebook compares all channels with the same numbers."""
    read = read_threshold if is_op(node, "Threshold") else read_codebook
    return len(read(node).thresholds) == 1


def _raise(node: ir.Node, context: Context) -> None:
    perm = tuple(node.attributes.get_ints("perm", ()) or ())
    if perm not in TO_CHANNELS_FIRST or not _begins_at_input(node, perm, context):
        return
    while (source := node.inputs[0]) is not None and (maker := source.producer()) is not None:
        _swap(node, maker, perm, context)
    _join_equal(node, perm, context)


def _begins_at_input(node: ir.Node, perm: tuple[int, ...], context: Context) -> bool:
    """Return whether nothing but elementwise operators on one
    tensor stands between it and the input.
    """
    value, reader = node.inputs[0], node
    while value is not None and not value.is_graph_input():
        maker = value.producer()
        if maker is None or value.is_graph_output() or len(list(value.uses())) != 1:
            return False
        data = _data(maker, context)
        if data is None or not _may_turn(maker, data, perm, context):
            return False
        value, reader = maker.inputs[data], maker
    return value is not None and (reader is node or len(list(value.uses())) == 1)


def _data(node: ir.Node, context: Context) -> int | None:
    """Return the index of the only computed input of an elementwise node; None for other nodes."""
    if is_op(node, "Threshold") or is_op(node, "Codebook"):
        return 0 if thresholds_of_tensor(node) else None
    of_quantizer = node.domain in DOMAINS and node.op_type in _QUANT
    if not of_quantizer and not is_standard(node, *_ELEMENTWISE, *_SCALED):
        return None
    known = context.constants.known
    computed = [k for k, v in enumerate(node.inputs) if v is not None and not known(v)]
    return computed[0] if len(computed) == 1 and len(node.outputs) == 1 else None


def _may_turn(node: ir.Node, data: int, perm: tuple[int, ...], context: Context) -> bool:
    """Return whether the node's constants have at most as many axes as its data."""
    if node.domain == DOMAIN:
        return True
    if node.attributes.get_int("block_size", 0):
        return False
    ranks = [
        None if v.shape is None else len(v.shape)
        for k, v in enumerate(node.inputs)
        if k != data and v is not None
    ]
    return all(rank is not None and rank <= len(perm) for rank in ranks)


def _swap(transpose: ir.Node, node: ir.Node, perm: tuple[int, ...], context: Context) -> None:
    """Exchange an elementwise node and the Transpose after it."""
    data = _data(node, context)
    assert data is not None
    x, (between,), (turned,) = node.inputs[data], node.outputs, transpose.outputs
    assert x is not None
    if node.op_type in _SCALED and node.domain == "":
        axis = node.attributes.get_int("axis", 1) % len(perm)
        node.attributes.add(ir.AttrInt64("axis", perm.index(axis)))
    elif node.domain != DOMAIN:
        for index, value in enumerate(node.inputs):
            array = context.constants.array(value) if index != data else None
            if array is not None and value is not None and array.size > 1:
                node.replace_input_with(index, _laid(array, value, perm, context))
    turned.replace_all_uses_with(between, replace_graph_outputs=True)
    turned.name, between.name = between.name, turned.name
    shapes = x.shape, turned.shape
    transpose.replace_input_with(0, x)
    node.replace_input_with(data, turned)
    between.shape = shapes[1]
    turned.type = x.type
    context.graph.remove(transpose)
    context.graph.insert_before(node, transpose)


def _laid(array: Array, value: ir.Value, perm: tuple[int, ...], context: Context) -> ir.Value:
    full = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    turned = np.ascontiguousarray(full.transpose(perm))
    constant = initializer(context.graph, f"{value.name}.turned", turned)
    constant.shape, constant.type = ir.Shape(turned.shape), value.type
    return constant


def _join_equal(node: ir.Node, perm: tuple[int, ...], context: Context) -> None:
    """Merge equal Transposes of one tensor."""
    source = node.inputs[0]
    for other in source.consumers() if source is not None else ():
        if (
            other is not node
            and is_standard(other, "Transpose")
            and tuple(other.attributes.get_ints("perm", ()) or ()) == perm
            and not other.outputs[0].is_graph_output()
        ):
            other.outputs[0].replace_all_uses_with(node.outputs[0])


CHANNELS_LAST_INPUT = Pattern("channels-last input", frozenset({"Transpose"}), _raise)
