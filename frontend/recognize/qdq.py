"""QuantizeLinear, an optional Clip, and DequantizeLinear: uniform quantizers (QDQ).

y = (clip(round(x/scale) + zero point) - zero point) * scale with ties to even, as ONNX defines the
two operators (QCDQ with the Clip, for widths that ONNX has no type for). On constants, float or
integer, they become codes; on activations, thresholds.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .constant_codes import Codes, put_codes, spread
from .pattern import Context, Pattern, Refused
from .queries import Array, channel_values, producer, shape_of
from .rounding import rises
from .uniform import Uniform, put_uniform

_TYPES = {
    ir.DataType[name]: (bits, name.startswith("INT"))
    for bits in (2, 4, 8, 16, 32)
    for name in (f"INT{bits}", f"UINT{bits}")
    if name in ir.DataType.__members__
}
"""Limits of the integer types."""


def _limits(dtype: ir.DataType | None) -> tuple[int, int]:
    if dtype is None or dtype not in _TYPES:
        name = dtype.name if dtype is not None else "unknown"
        raise Refused(f"codes of type {name}", "integers of 2, 4, 8, 16 or 32 bits")
    bits, signed = _TYPES[dtype]
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _parameters(node: ir.Node, context: Context) -> tuple[Array, Array]:
    """Return scale (float32) and zero point (int64) of a QuantizeLinear or DequantizeLinear."""
    if node.attributes.get_int("block_size", 0):
        raise Refused(
            "blocked quantization of an activation",
            "one scale for the tensor, or one per channel; blocks for constant weights",
        )
    scale = context.constants.array(node.inputs[1])
    if scale is None:
        raise Refused("a computed scale", "a constant scale")
    if scale.dtype != np.float32:
        raise Refused(f"a scale of type {scale.dtype}", "float32")
    if scale.ndim > 1:
        raise Refused(f"scales of shape {scale.shape}", "one for the tensor, or one per channel")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise Refused(f"a scale of {scale.min():g}", "positive, finite scales")
    zero = np.zeros(scale.shape, np.int64)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        array = context.constants.array(node.inputs[2])
        if array is None:
            raise Refused("a computed zero point", "a constant zero point")
        zero = array.astype(np.int64)
    if zero.size != scale.size:
        raise Refused(f"{scale.size} scales and {zero.size} zero points", "as many")
    return scale, zero.reshape(scale.shape)


def _along(array: Array, node: ir.Node, rank: int) -> Array:
    """Reshape a vector along the node's axis, so that it broadcasts; a scalar is not changed."""
    if array.size == 1:
        return array.reshape(())
    axis = node.attributes.get_int("axis", 1) % rank
    return array.reshape([-1 if i == axis else 1 for i in range(rank)])


def _code_type(node: ir.Node) -> ir.DataType | None:
    """Return the output type of a QuantizeLinear: that of its zero point,
    its attribute, or uint8.
    """
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return node.inputs[2].dtype
    return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8)


def _recognize(node: ir.Node, context: Context) -> None:
    """Match from a DequantizeLinear."""
    codes_in = node.inputs[0]
    scale, zero = _parameters(node, context)
    constants = context.constants
    if context.constants.known(codes_in):
        array = constants.array(codes_in)
        assert array is not None and codes_in is not None
        stored = codes_in.dtype or ir.DataType.from_numpy(array.dtype)
        low, high = _limits(stored)
        if (clip := producer(codes_in, "Clip")) is not None:
            low, high = _clipped(clip, low, high, context)
        bits = (high - low).bit_length()
        rank = array.ndim
        codes = array.astype(np.int64) - spread(_along(zero, node, rank), array, "zero point")
        steps = spread(_along(scale, node, rank), array, "scale")
        put_codes(node, Codes(codes, steps, bits), context)
        return
    clip = producer(codes_in, "Clip")
    quantize = producer(clip.inputs[0] if clip is not None else codes_in, "QuantizeLinear")
    if quantize is None:
        raise Refused(
            "integers that do not come from QuantizeLinear",
            "QuantizeLinear, Clip or nothing, DequantizeLinear",
            "export with float operators between QDQ pairs, not QLinear or Integer operators",
        )
    x = quantize.inputs[0]
    assert x is not None
    low, high = _limits(_code_type(quantize))
    if clip is not None:
        low, high = _clipped(clip, low, high, context)
    in_scale, in_zero = _parameters(quantize, context)
    if high - low >= 2**MAX_BITS:
        raise Refused(
            f"an activation of {(high - low).bit_length()} bits", f"1 to {MAX_BITS} bits",
            "leave this tensor unquantized, or quantize it to 8 bits",
        )  # fmt: skip
    shape = shape_of(x)
    read, written = (in_scale, in_zero), (scale, zero)
    rows = [
        channel_values(_along(values, where, len(shape)), shape)
        for pair, where in ((read, quantize), (written, node))
        for values in pair
    ]
    if rows[0] is None or rows[1] is None or rows[2] is None or rows[3] is None:
        raise Refused("scales that vary along another axis than channels", "axis 1")
    # The zero point is added after rounding, so ties go to even integers before the addition.
    ladders = [rises(low - first, high - first) for first in rows[1].tolist()]
    positions, strict = (np.stack(column) for column in zip(*ladders, strict=True))
    lowest = tuple(Fraction(low - second) for second in rows[3].tolist())
    uniform = Uniform(positions, strict, rows[0], rows[2], lowest)
    put_uniform(node, x, uniform, context)


def _clipped(clip: ir.Node, low: int, high: int, context: Context) -> tuple[int, int]:
    bounds = [low, high]
    for index, value in enumerate(clip.inputs[1:3]):
        if value is None:
            continue
        bound = context.constants.scalar(value)
        if bound is None:
            raise Refused("codes clipped by a computed bound", "constant bounds")
        bounds[index] = int(bound)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    if low >= high:
        raise Refused(f"codes clipped to {low}..{high}", "two levels or more")
    return low, high


DEQUANTIZE = Pattern("QDQ pair", frozenset({"DequantizeLinear"}), _recognize)
