"""QONNX's quantizers: Quant (IntQuant), BipolarQuant, Trunc and MultiThreshold.

Pappalardo et al., "QONNX: Representing Arbitrary-Precision Quantized Neural Networks", 2022. On
activations they become thresholds, on constants codes. MultiThreshold compares by `>=`; for Quant
the rounding mode decides the ties.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS, Threshold, make_threshold
from .constant_codes import Codes, put_codes, spread
from .pattern import Context, Pattern, Refused
from .queries import Array, channel_values, shape_of
from .rounding import rise, rises, truncated_rises
from .uniform import KIND, Uniform, add_constant, put_uniform

DOMAINS = frozenset({
    "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas",
})  # fmt: skip
OPS = frozenset({"Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold"})
"""QONNX's quantizers; their output has the shape of their input."""

_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}  # default of data_layout
_WIDEST = 32
_LARGEST = 2**31  # limit of a zero point


def _parameter(node: ir.Node, index: int, name: str, context: Context) -> Array:
    value = node.inputs[index] if index < len(node.inputs) else None
    array = context.constants.array(value)
    if array is None:
        raise Refused(f"a computed or missing {name}", f"a constant {name}")
    if not np.isfinite(array).all():
        raise Refused(f"a {name} that is not finite", "finite numbers")
    return array


def _integer(node: ir.Node, index: int, name: str, context: Context) -> int:
    """Return a parameter that is one integer for the tensor."""
    array = _integers(node, index, name, context)
    if array.size == 0 or not (array == array.flat[0]).all():
        raise Refused(f"{name} {array.reshape(-1)[:4].tolist()}", "one integer for the tensor")
    return int(array.flat[0])


def _integers(node: ir.Node, index: int, name: str, context: Context) -> Array:
    """Return a parameter of integers, int64, in the shape of the file."""
    array = _parameter(node, index, name, context)
    if (array != np.round(array)).any() or (np.abs(array) > _LARGEST).any():
        raise Refused(f"{name} {array.reshape(-1)[:4].tolist()}", "one integer, or one per channel")
    return array.astype(np.int64)


def _bits(node: ir.Node, index: int, name: str, context: Context) -> int:
    bits = _integer(node, index, name, context)
    if not 1 <= bits <= _WIDEST:
        raise Refused(f"a {name} of {bits}", f"1 to {_WIDEST}")
    return bits


def _by_channel(array: Array, x: ir.Value, name: str) -> Array:
    """Return parameters as float32 [1] or [C]."""
    values = channel_values(array.astype(np.float32), shape_of(x))
    if values is None:
        found = f"a {name} of shape {array.shape} for a tensor {shape_of(x)}"
        raise Refused(found, "one value for the tensor, or one per channel")
    return values


def limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Return the smallest and largest integer of a QONNX type."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _flag(node: ir.Node, name: str, default: int) -> bool:
    return bool(node.attributes.get_int(name, default))


def _quant(node: ir.Node, context: Context) -> None:
    """Rewrite Quant: (round(clip(x/s + z)) - z) * s; (±1 - z) * s by sign for signed 1 bit."""
    x = node.inputs[0]
    assert x is not None
    scale = _parameter(node, 1, "scale", context)
    zero = _integers(node, 2, "zero point", context)
    bits = _bits(node, 3, "bit width", context)
    signed, narrow = _flag(node, "signed", 1), _flag(node, "narrow", 1)
    mode = node.attributes.get_string("rounding_mode", "ROUND") or "ROUND"
    rise(0, mode)  # refuses an unknown mode
    if not (scale > 0).all():
        raise Refused(f"a scale of {scale.min():g}", "positive scales")
    low, high = limits(bits, signed, narrow)
    binary = bits == 1 and signed
    constant = context.constants.array(x)
    if constant is not None:
        single = spread(scale.astype(np.float32), constant, "scale")
        zero = spread(zero, constant, "zero point")
        y = constant.astype(np.float32) / single + zero.astype(np.float32)
        codes = np.where(y >= 0, 1, -1) if binary else _rounded(np.clip(y, low, high), mode)
        put_codes(node, Codes(codes - zero, single, bits), context)
        return
    channels = _by_channel(scale, x, "scale")
    zeros = _by_channel(zero, x, "zero point").astype(np.int64)
    if binary:
        _put_sign(node, x, -zeros, channels, zeros, context)
        return
    if high - low >= 2**MAX_BITS:
        raise Refused(
            f"an activation of {bits} bits",
            f"1 to {MAX_BITS} bits",
            "leave this tensor unquantized, or quantize it to 8 bits",
        )
    positions, strict = rises(low, high, mode)
    lowest = tuple(Fraction(low - z) for z in zeros.tolist())
    uniform = Uniform(positions - zeros[:, None], strict, channels, channels, lowest)
    put_uniform(node, x, uniform, context)


def _rounded(y: Array, mode: str) -> Array:
    """Round with the boundaries of `rounding`, so that each mode has one definition."""
    y = np.asarray(y)
    below = np.array(np.floor(y), np.int64)  # NumPy's floor of a scalar is no array
    nearest = below.copy()
    for n in np.unique(below):
        position, strict = rise(int(n), mode)
        here = below == n
        nearest[here] += (y[here] > position) if strict else (y[here] >= position)
    return nearest


def _put_sign(
    node: ir.Node, x: ir.Value, positions: Array, scale: Array, zeros: Array, context: Context
) -> None:
    """Replace a node by scale * (±1 - zero): two levels, the upper one from `positions` on.

    Positions and zero points are int64 [1] or [C].
    """
    # With steps of 2*scale, code 0 has the value (-1 - zero)/2 steps.
    lowest = tuple(Fraction(-1 - zero, 2) for zero in zeros.tolist())
    at = positions[:, None].astype(np.float64)
    uniform = Uniform(at, np.zeros(1, bool), scale, 2 * scale, lowest)
    put_uniform(node, x, uniform, context)


def _bipolar(node: ir.Node, context: Context) -> None:
    """Rewrite BipolarQuant: s * (x >= 0 ? 1 : -1)."""
    x = node.inputs[0]
    assert x is not None
    scale = _parameter(node, 1, "scale", context)
    constant = context.constants.array(x)
    if constant is not None:
        codes = np.where(constant >= 0, 1, -1)
        put_codes(node, Codes(codes, scale.astype(np.float32), 1), context)
        return
    none = np.zeros(1, np.int64)
    _put_sign(node, x, none, _by_channel(scale, x, "scale"), none, context)


def _trunc(node: ir.Node, context: Context) -> None:
    """Rewrite Trunc: round x/s + z, divide by a power of two, clip, round.

    Version 2 has six inputs. Version 1 has no clip: its levels follow from the declared input
    width.
    """
    x = node.inputs[0]
    assert x is not None
    first_version = len(node.inputs) == 5
    scale = _by_channel(_parameter(node, 1, "scale", context), x, "scale")
    zero = _integer(node, 2, "zero point", context)
    in_bits = _bits(node, 3, "input bit width", context)
    out_bits = _bits(node, 4 if first_version else 5, "output bit width", context)
    mode = node.attributes.get_string("rounding_mode", "FLOOR") or "FLOOR"
    if first_version:
        shift, step = in_bits - out_bits, scale
        if shift < 0 or out_bits >= MAX_BITS:
            raise Refused(
                f"truncation from {in_bits} to {out_bits} bits", f"to fewer bits, under {MAX_BITS}"
            )
        low, high = -(2 ** (out_bits - 1)), 2**out_bits  # + 1: the largest input may be rounded up
        lowest = Fraction(low - zero)
        text = f"its input is taken to be an integer of {in_bits} bits, as declared"
    else:
        step = _by_channel(_parameter(node, 4, "output scale", context), x, "output scale")
        if not ((scale > 0).all() and (step > 0).all()):
            raise Refused("a scale that is not positive", "positive scales")
        shifts = np.round(np.log2(step / scale))
        if not (shifts == shifts[0]).all() or abs(shifts[0]) > 2 * _WIDEST:
            raise Refused("output scales over different powers of two", "one power of two")
        shift = int(shifts[0])
        low, high = limits(out_bits, _flag(node, "signed", 1), _flag(node, "narrow", 0))
        lowest = low - Fraction(zero) / Fraction(2) ** shift
        text = ""
    if high - low >= 2**MAX_BITS:
        raise Refused(f"truncation to {out_bits} bits", f"1 to {MAX_BITS} bits")
    positions, strict = truncated_rises(low, high, shift, mode)
    uniform = Uniform(positions - zero, strict, scale, step, lowest)
    quantizer = put_uniform(node, x, uniform, context)
    if text:
        context.note(quantizer, text)


def _multi_threshold(node: ir.Node, context: Context) -> None:
    """Rewrite out_scale * #{k : x >= T[c,k]} + out_bias; T [1,K] or [C,K] in any order."""
    x = node.inputs[0]
    assert x is not None
    thresholds = np.sort(np.atleast_1d(_parameter(node, 1, "set of thresholds", context)), axis=-1)
    scale = float(np.float32(node.attributes.get_float("out_scale", 1.0)))
    offset = Fraction(float(np.float32(node.attributes.get_float("out_bias", 0.0))))
    shape = shape_of(x)
    layout = node.attributes.get_string("data_layout", "") or _LAYOUTS.get(len(shape), "NC")
    axis = layout.index("C") if "C" in layout else 1
    if thresholds.ndim != 2 or not 1 <= thresholds.shape[1] < 2**MAX_BITS:
        found = f"thresholds of shape {thresholds.shape}"
        raise Refused(found, f"[1,K] or [C,K], K = 1 to {2**MAX_BITS - 1}")
    if axis >= len(shape) or len(thresholds) not in (1, shape[axis]):
        raise Refused(
            f"{len(thresholds)} rows of thresholds for a tensor {shape}, layout {layout}",
            "one row, or one per channel",
        )
    if scale == 0:
        raise Refused("out_scale 0: the output is constant", "another scale")
    count, strict, input_scale = thresholds.shape[1], False, np.float32(1)
    if scale < 0:  # -s*#{x >= T} + b = s*#{-x > -T} + b - s*K
        thresholds, strict, input_scale = -thresholds[:, ::-1], True, np.float32(-1)
        scale, offset = -scale, offset - Fraction(-scale) * count
    params = Threshold(thresholds, input_scale, scale, 1, strict, count.bit_length())
    swapped = axis != 1 and len(thresholds) > 1
    data = _swapped(node, x, axis, "channels_first", context) if swapped else x
    quantizer = make_threshold(context.graph, data, params, str(node.name))
    quantizer.metadata_props[KIND] = "threshold"
    y = context.insert(node, quantizer)
    if offset:
        y = add_constant(node, y, offset, context)
    context.replace(node.outputs[0], _swapped(node, y, axis, "back", context) if swapped else y)


def _swapped(node: ir.Node, x: ir.Value, axis: int, name: str, context: Context) -> ir.Value:
    """Insert a Transpose that moves `axis` to position 1, or back; other axes keep their order.

    Only [N,H,W,C] and [N,W,C] occur, whose channels are last.
    """
    rank = len(shape_of(x))
    if axis != rank - 1:
        raise Refused(f"channels on axis {axis} of {rank}", "channels on axis 1 or last")
    first = name == "channels_first"
    perm = [0, rank - 1, *range(1, rank - 1)] if first else [0, *range(2, rank), 1]
    return context.transpose(node, x, perm, f"{node.name}.{name}")


QUANT = Pattern("QONNX Quant", frozenset({"Quant", "IntQuant"}), _quant, domains=DOMAINS)
BIPOLAR = Pattern("QONNX BipolarQuant", frozenset({"BipolarQuant"}), _bipolar, domains=DOMAINS)
TRUNC = Pattern("QONNX Trunc", frozenset({"Trunc"}), _trunc, domains=DOMAINS)
MULTI_THRESHOLD = Pattern(
    "QONNX MultiThreshold", frozenset({"MultiThreshold"}), _multi_threshold, domains=DOMAINS
)
