"""Tensors repeated along axes where they have size 1, and constants that differ by position.

A constant of each position, such as a positional embedding, is one of each feature of the
flattened tensor. Flattened in a program's order (H, W, C), no element moves.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ..edges import map_shape
from ..opset import initializer, make_rearrange
from ..places import Tables
from .pattern import Context, Refused
from .queries import Array, shape_of

IN_PLACE = "n2uq.in_place"
"""Key of a Rearrange's ``meta``: elementwise operators stay behind it."""

_MOST_FEATURES = 1 << 12
"""Up to so many positions and channels, what follows becomes parameters of each of them: then a
quantizer's thresholds take in the constant exactly."""


def spreads(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Return whether ONNX's broadcasting makes a tensor of the other's shape, image by image."""
    return (
        len(before) == len(after)
        and 2 <= len(after) <= 4
        and before[0] == after[0]
        and all(a in (1, b) for a, b in zip(before[1:], after[1:], strict=True))
    )


def spread(
    value: ir.Value, shape: tuple[int, ...], name: str, before: ir.Node, context: Context
) -> ir.Value:
    """Return a tensor repeated to a shape, by a Rearrange named ``name``, inserted before a node.

    Args:
        value: [N,C,H,W], [N,C,L] or [N,F]; see `spreads`.
    """
    have = shape_of(value)
    if have == shape:
        return value
    height, width, channels = map_shape(have[1:])
    steps = (width * channels, channels, 1)
    tables = [
        np.arange(want) * (step if size == want else 0)
        for want, size, step in zip(
            map_shape(shape[1:]), (height, width, channels), steps, strict=True
        )
    ]
    rows, columns, places = tables
    return context.insert(
        before, make_rearrange(context.graph, value, (rows, columns, places), shape, name)
    )


def of_each_position(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Return a constant that is broadcast to [N,C,…] as one of each feature, [H·W·C].

    Returns:
        None if it differs by image, or would enlarge the tensor.
    """
    if not 2 <= len(shape) <= 4 or array.ndim > len(shape):
        return None
    full = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(have not in (1, want) for have, want in zip(full.shape, shape, strict=True)):
        return None
    if (full != full[:1]).any():
        return None
    sample = np.broadcast_to(full[0], shape[1:])
    return np.moveaxis(sample, 0, -1).reshape(-1)


def between_flattenings(
    node: ir.Node, position: int, data: ir.Value, row: Array, context: Context
) -> ir.Node:
    """Rewrite an operator of a tensor and a constant on the flattened tensor.

    Args:
        node: Add, Sub, Mul or Div.
        position: index of the constant.
        data: the tensor [N,C,…].
        row: the constant, [H·W·C].

    Returns:
        The operator on [N, H·W·C].
    """
    shape, count = shape_of(data), len(row)
    if prod(shape[1:]) != count:
        raise Refused(f"{count} constants against a tensor {shape}", "one for each element")
    zero = np.zeros(1, np.int64)
    down = make_rearrange(
        context.graph, data, (zero, zero, np.arange(count)), (shape[0], count), f"{node.name}.flat"
    )
    line = context.insert(node, down)
    old = node.inputs[position]
    name = str(old.name) if old is not None else f"{node.name}.constant"
    held = initializer(context.graph, f"{name}.flat", row.reshape(1, -1))
    inputs = [held, line] if position == 0 else [line, held]
    inner = ir.node(node.op_type, inputs, name=str(node.name))
    inner.outputs[0].name = f"{node.outputs[0].name}.flat"
    inner.outputs[0].shape = ir.Shape((shape[0], count))
    found = context.insert(node, inner)
    up = make_rearrange(context.graph, found, as_map(shape), shape, f"{node.name}.map")
    up.meta[IN_PLACE] = count > _MOST_FEATURES
    context.replace(node.outputs[0], context.insert(node, up))
    return inner


def as_map(shape: tuple[int, ...]) -> Tables:
    """Return the tables of a Rearrange from features in a program's order to a map."""
    height, width, channels = map_shape(shape[1:])
    return (
        np.arange(height) * (width * channels),
        np.arange(width) * channels,
        np.arange(channels),
    )
