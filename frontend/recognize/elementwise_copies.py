"""Copies of an elementwise node on other tensors that hold its channels, with their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..opset import constant, initializer, is_op
from ..schemas import QUANTIZERS
from .pattern import Context
from .queries import Array, channel_values, is_standard, shape_of

_UNARY = frozenset(
    "Relu LeakyRelu Clip Sigmoid Tanh HardSwish HardSigmoid Elu Softplus Abs".split()
)
_PER_CHANNEL = frozenset("Add Sub Mul Div PRelu".split())
_OWN = *QUANTIZERS, "Function"


def is_elementwise(node: ir.Node) -> bool:
    """Return whether a node may compute each element from that of its first input."""
    standard = is_standard(node, "BatchNormalization", *_UNARY, *_PER_CHANNEL)
    own = any(is_op(node, name) for name in _OWN)
    return standard or own


def parameters_of(node: ir.Node, shape: tuple[int, ...]) -> dict[int, Array | None] | None:
    """Return the constants of an elementwise node by channel.

    Args:
        node: see `is_elementwise`.
        shape: of the tensor it reads.

    Returns:
        By index: a value or row a channel, or None for one that all channels share; None where one
        is computed, or differs between positions.
    """
    arrays: dict[int, Array | None] = {}
    for index, value in enumerate(node.inputs[1:], start=1):
        array = constant(value)
        if value is None:
            continue
        if array is None:
            return None
        arrays[index] = None
        if node.op_type in _UNARY or array.size == 1:
            continue
        if node.op_type in _PER_CHANNEL:
            values = channel_values(array, shape)
            if values is None:
                return None
        elif node.op_type in ("BatchNormalization", "Function") or (
            index in (1, 4) and array.ndim == 2 and len(array) > 1  # thresholds, their ties
        ):
            values = array
        else:
            continue  # of the whole tensor: scale, step, levels
        arrays[index] = values if len(values) > 1 else None
    return arrays


def copies(
    node: ir.Node,
    parts: Sequence[ir.Value],
    parameters: Mapping[int, Array | None],
    name: str,
    context: Context,
) -> list[ir.Value]:
    """Insert a copy of an elementwise node for each part of the channels, in front of the node.

    Args:
        node: see `is_elementwise`.
        parts: the tensors to read, which together have the channels of the parameters.
        parameters: as `parameters_of` returns them.
        name: of the first result; those after it get a number.
        context: the graph.

    Returns:
        The results.
    """
    outputs, first = [], 0
    for k, part in enumerate(parts):
        count = shape_of(part)[1]
        inputs: list[ir.Value | None] = [part]
        for index, old in enumerate(node.inputs[1:], start=1):
            values = parameters.get(index)
            if values is None or old is None:
                inputs.append(old)
            else:
                inputs.append(_held(node, index, old, values[first : first + count], part, context))
        first += count
        copy = ir.Node(
            node.domain,
            node.op_type,
            inputs,
            tuple(node.attributes.values()),
            name=str(node.name) if len(parts) == 1 else f"{node.name}.{k}",
            num_outputs=1,
        )
        copy.metadata_props.update(node.metadata_props)
        copy.outputs[0].shape, copy.outputs[0].dtype = part.shape, ir.DataType.FLOAT
        copy.outputs[0].name = name + (f".{k}" if k else "")
        outputs.append(context.insert(node, copy))
    return outputs


def _held(
    node: ir.Node, index: int, old: ir.Value, values: Array, part: ir.Value, context: Context
) -> ir.Value:
    if node.op_type in _PER_CHANNEL:
        values = values.reshape(-1, *[1] * (len(shape_of(part)) - 2))
        if node.op_type != "PRelu":
            values = values[None]
    name = f"{old.name}.{node.name}.{index}"
    return initializer(context.graph, name, np.ascontiguousarray(values))
