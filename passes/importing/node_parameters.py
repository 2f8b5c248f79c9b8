"""Parameters of a graph's nodes, in the form of operations of the real dialect."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.frontend import opset

from ..program.exact import Surd
from ..program.ops.real import Row
from ..program.types import Constant
from .builder import NodeRefusal

Array = NDArray[Any]


def row_of(values: Array | float, channels: int) -> Row:
    """Return exact numbers, one per channel, of a scalar or per-channel float32 parameter."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    if flat.size not in (1, channels):
        raise NodeRefusal(
            f"a parameter of shape {np.shape(values)} on {channels} channels",
            "one value, or one for each channel (1,C,1,1)",
            "make the parameter per channel",
        )
    numbers = [Surd.of(float(v)) for v in flat]
    return tuple(numbers * (channels if flat.size == 1 else 1))


def per_channel(values: Array, rank: int) -> Array:
    """Reduce a broadcast constant to a scalar or a vector over axis 1 of a map of rank ``rank``."""
    array = np.asarray(values)
    if array.size == 1:
        return array.ravel()
    shape = (1,) * (rank - array.ndim) + array.shape
    varying = [axis for axis, size in enumerate(shape) if size != 1]
    if varying != [1]:
        raise NodeRefusal(
            f"a constant operand of shape {array.shape}",
            "a scalar or one value for each channel",
            "make the constant per channel: shape (1,C,1,1)",
        )
    return array.ravel()


def ints(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return a list attribute of a node."""
    attribute = node.attributes.get(name)
    return default if attribute is None else tuple(attribute.as_ints())


def integer(node: ir.Node, name: str, default: int) -> int:
    """Return an integer attribute of a node."""
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())


def number(node: ir.Node, name: str, default: float) -> float:
    """Return a real attribute of a node, exactly the float32 number that ONNX stores."""
    attribute = node.attributes.get(name)
    return float(np.float32(default if attribute is None else attribute.as_float()))


def pair(node: ir.Node, name: str) -> tuple[int, ...]:
    """Return (height, width) of a window's attribute; a sequence is a map of one row."""
    values = ints(node, name, (1, 1))
    return (1, *values) if len(values) == 1 else values


def pads_of(node: ir.Node) -> tuple[int, ...]:
    """Return the padding at top, left, bottom and right; a sequence is a map of one row.

    Raises:
        NodeRefusal: the pads follow from ``auto_pad``.
    """
    pads = ints(node, "pads", (0, 0, 0, 0))
    if len(pads) == 2:
        pads = (0, pads[0], 0, pads[1])
    auto = node.attributes.get("auto_pad")
    if auto is not None and auto.as_string() not in ("", "NOTSET", "VALID"):
        raise NodeRefusal(f"auto_pad {auto.as_string()}", "explicit pads", "export with pads")
    return pads


def ones(channels: int) -> Row:
    """Return the slopes of an affine map that only adds."""
    return (Surd.of(1),) * channels


def quantized_weight(node: ir.Node) -> tuple[Constant, Row, int] | None:
    """Return the weights (O, KH, KW, I) of an ``n2uq.Weight``: codes, their steps, and 0.

    For weights with levels of a codebook: real weights, no steps, and the bits of a code.
    """
    value = node.inputs[1]
    maker = value.producer() if value is not None else None
    if maker is None or not opset.is_op(maker, "Weight"):
        return None
    weight = opset.read_weight(maker)
    if weight.levels is not None:
        return Constant.real(weight_channels_last(weight.values())), (), weight.bits
    codes = np.asarray(weight.codes, dtype=np.int64)
    codes = weight_channels_last(codes)
    constant = Constant.odd(codes, weight.bits) if weight.odd else Constant.narrow(codes)
    return constant, tuple(Surd.of(Fraction(float(s)) / weight.divisor) for s in weight.step), 0


def weight_channels_last(weight: Array) -> Array:
    """Return [O,I], [O,I,k] or [O,I,kh,kw] as (O, KH, KW, I)."""
    rows = (1,) * (4 - weight.ndim)
    full = weight.reshape(*weight.shape[:2], *rows, *weight.shape[2:])
    return np.ascontiguousarray(full.transpose(0, 2, 3, 1))
