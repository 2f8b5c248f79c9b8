"""Questions that patterns ask about values, nodes and constants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ..constants import static
from .pattern import Context, UnknownShape

Array = npt.NDArray[Any]


def signed_bits(codes: Array) -> int:
    """Return the bits of the two's complement type that holds all integers ``codes``."""
    low, high = int(codes.min()), int(codes.max())
    return max((-low - 1).bit_length() if low < 0 else 0, max(high, 0).bit_length()) + 1


def shape_of(value: ir.Value | None) -> tuple[int, ...]:
    """Return the static shape of a value.

    Raises:
        UnknownShape: it is not known.
    """
    if value is None or value.shape is None or not value.shape.is_static():
        raise UnknownShape(value)
    return static(value.shape)


def stated_axes(node: ir.Node, context: Context, index: int = 1) -> list[int] | None:
    """Return the axes that an attribute, or a constant as input ``index``, states; else None."""
    axes = node.attributes.get_ints("axes")
    if axes is None and len(node.inputs) > index:
        array = context.constants.array(node.inputs[index])
        axes = None if array is None else array.reshape(-1).tolist()
    return None if axes is None else [int(axis) for axis in axes]


def only_reader(value: ir.Value, *ops: str) -> ir.Node | None:
    """Return the only reader of `value` if it is one of these operators; None for graph outputs."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output() or not is_standard(uses[0].node, *ops):
        return None
    return uses[0].node


def operands(node: ir.Node) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Yield the two inputs of a commutative node, in both orders."""
    if len(node.inputs) == 2 and node.inputs[0] is not None and node.inputs[1] is not None:
        yield node.inputs[0], node.inputs[1]
        yield node.inputs[1], node.inputs[0]


def is_standard(node: ir.Node | None, *ops: str) -> bool:
    """Return whether `node` is one of these operators, of the standard domain."""
    return node is not None and node.op_type in ops and node.domain == ""


def producer(value: ir.Value | None, *ops: str) -> ir.Node | None:
    """Return the node that computes `value` if it is one of these standard operators."""
    node = value.producer() if value is not None else None
    return node if is_standard(node, *ops) else None


def channel_values(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Reduce a constant that is broadcast to [N,C,...] to one value per channel.

    Args:
        array: the constant, of any shape.
        shape: shape of the tensor it is combined with.

    Returns:
        float32 [1] (the same for all), [C], or None if it differs between positions or images,
        or would enlarge the tensor.
    """
    if array.size == 1:
        return array.reshape(1) if array.ndim <= len(shape) else None
    if array.ndim > len(shape) or len(shape) < 2:
        return None
    full = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(have not in (1, want) for have, want in zip(full.shape, shape, strict=True)):
        return None
    first = full[(slice(0, 1), slice(None)) + (slice(0, 1),) * (len(shape) - 2)]
    return first.reshape(-1) if np.array_equal(full, np.broadcast_to(first, full.shape)) else None
