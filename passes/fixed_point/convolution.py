"""Fixed-point forms of unquantized convolutions: stem, float downsampling, head.

Weights and inputs share the 64 bits of an accumulator. If too few bits are left for the comparisons
that follow (``expected_flips``), the input is split into an upper and a lower part, each part gets
a convolution, and the results are added.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import Unfit

from ..options import OPERAND_BITS, STREAM_BITS
from ..program.exact import Surd
from ..program.ops import Add, Clamp, Conv, Requantize
from ..program.ops.real import Affine, RealConv, floats
from ..program.types import Constant, IntType, limits_of
from .lowering import ONE, ZERO, Lowering
from .multipliers import to_fixed

ACCUMULATOR_BITS = 62  # including the sign; the rest is for bias and rounding
CUT_FLIPS = 2.0**-3  # expected flips per image from which an operand is split


@dataclass(frozen=True)
class UnquantizedLayer:
    """An unquantized convolution and the affine map after it, to be lowered to fixed point.

    Attributes:
        op, after: the convolution and the map; ``after`` may be None.
        name: name of the result.
        scale: scale of the result.
        weight: real weights times the map's slopes, float64 (O, KH, KW, I).
        offset: offsets of the map, (O,).
    """

    op: RealConv
    after: Affine | None
    name: str
    scale: Fraction
    weight: NDArray[np.float64]
    offset: tuple[Surd, ...]

    @property
    def origin(self) -> tuple[str, ...]:
        """ONNX nodes of both operations."""
        return self.op.origin + (self.after.origin if self.after is not None else ())

    def sums(self) -> NDArray[np.float64]:
        """Return the sum of the magnitudes of the weights of each output channel, float64 (O,)."""
        total: NDArray[np.float64] = np.abs(self.weight).reshape(len(self.weight), -1).sum(axis=1)
        return total

    def operand_room(self) -> int:
        """Return the bits that weights and input may have together, including both signs."""
        rows = np.abs(self.weight).reshape(len(self.weight), -1)
        # Weights use their full width; a sum has more bits than a product by log2(sum of weights /
        # largest).
        spread = (self.sums() / np.maximum(rows.max(axis=1), 1e-300)).max(initial=1.0)
        return ACCUMULATOR_BITS + 1 - int(np.ceil(np.log2(spread * (1 + 2.0**-20))))


def convolution(
    low: Lowering, op: RealConv, after: Affine | None, name: str, scale: Fraction
) -> None:
    """Emit ``name = after(conv(x))`` with a scale."""
    layer, x = _layer(low, op, after, name, scale), op.inputs[0]
    room, chosen = layer.operand_room(), low.options.stem_bits
    if low.formats.is_head(op, name):
        bits = low.formats.weight_width(name, low.formats.head_bits)
        coarse = chosen is not None and chosen < OPERAND_BITS[0]
        most = OPERAND_BITS[0] if coarse else STREAM_BITS[0]  # for pooled features
        most = room if low.formats.lifted else most
        _product(low, layer, low.narrowed(x, min(most, room - bits)), bits)
    elif chosen is not None:
        bits = low.formats.weight_width(name, chosen)
        most = room - bits if chosen >= OPERAND_BITS[0] else min(chosen, room - bits)
        _product(low, layer, low.narrowed(x, most), bits)
    elif (shared := _weight_bits(low, room, low.int_type(x))) is not None:
        bits = low.formats.weight_width(name, shared)
        _product(low, layer, low.narrowed(x, room - bits), bits)
    else:
        bits = low.formats.weight_width(name, low.formats.weight_bits)
        _cut_product(low, layer, x, bits, room)


def bits_read(low: Lowering, op: RealConv, after: Affine | None, tensor_type: IntType) -> int:
    """Return how many bits of an input a convolution reads if the user has not chosen a width."""
    room = _layer(low, op, after, op.output, Fraction(1)).operand_room()
    shared = _weight_bits(low, room, tensor_type)
    return tensor_type.bits if shared is None else min(tensor_type.bits, room - shared)


def _layer(
    low: Lowering, op: RealConv, after: Affine | None, name: str, scale: Fraction
) -> UnquantizedLayer:
    weight = op.real_weight(low.program.constants)
    offset = (ZERO,) * len(weight)
    if after is not None:
        weight = weight * floats(after.slope)[:, None, None, None]
        offset = after.offset
    return UnquantizedLayer(op, after, name, scale, weight, offset)


def _weight_bits(low: Lowering, room: int, tensor_type: IntType) -> int | None:
    """Return the width of the weights for an input of some type;
    None if the input has to be split.
    """
    full, least = low.formats.weight_bits, OPERAND_BITS[0]
    reach = float(tensor_type.real_most)
    # With half of the bits each, both sides contribute about the same error.
    half = (room - int(np.frexp(reach)[1])) // 2 + 1
    shared = min(max(half, least, room - tensor_type.bits), full)
    lost = tensor_type.bits + shared - room
    unit = float(tensor_type.unit) * 2.0**lost
    return None if lost > 0 and low.formats.density * unit / 4 > CUT_FLIPS else shared


def _cut_product(low: Lowering, layer: UnquantizedLayer, x: str, bits: int, room: int) -> None:
    """Emit the sum of a convolution of the upper bits of ``x`` and one of the rest."""
    tensor_type = low.int_type(x)
    parts = tuple(low.fresh(f"{layer.name}.{part}") for part in ("upper", "lower"))
    upper = low.narrowed(x, room - bits)
    lower = low.narrowed(_rest(low, x, upper, layer.op.origin), room - bits)
    plain = replace(layer, name=parts[1], offset=(ZERO,) * len(layer.offset))
    _product(low, replace(layer, name=parts[0]), upper, bits, carried=tensor_type.error)
    _product(low, plain, lower, bits)
    error = sum((low.int_type(part).error for part in parts), Fraction(0))
    low.put(Add(output=layer.name, inputs=parts, origin=layer.origin), layer.scale, error)


def _rest(low: Lowering, x: str, upper: str, origin: tuple[str, ...]) -> str:
    """Emit the rest of ``x``: its difference from its narrowed form."""
    name = low.rests.get((x, upper))
    if name is None:
        tensor_type, coarse = low.int_type(x), low.int_type(upper)
        assert tensor_type.scale is not None and coarse.scale is not None
        channels, unit = tensor_type.shape[2], int(coarse.scale / tensor_type.scale)
        back = low.requantize(
            low.fresh(f"{x}.back"),
            upper,
            [-ONE] * channels,
            [ZERO] * channels,
            tensor_type.scale,
            tensor_type.bits + 2,
            origin,
        )
        total = low.put(
            Add(output=low.fresh(f"{x}.left"), inputs=(x, back), origin=origin), tensor_type.scale
        )
        name = low.rests[x, upper] = low.fresh(f"{x}.rest")
        # The range is stated here: that of the sum does not use that its terms depend on each
        # other.
        low.put(
            Clamp(output=name, inputs=(total,), origin=origin, lo=-unit, hi=unit), tensor_type.scale
        )
    return name


def _product(
    low: Lowering,
    layer: UnquantizedLayer,
    x: str,
    weight_bits: int,
    carried: Fraction | None = None,
) -> None:
    """Emit one convolution with integer weights that include the affine map.

    The weights of channel ``c`` are multiples of ``2**-g[c]``, so that the accumulator has the unit
    ``2**-g[c]``, and only a shift and a bias follow (a power of 2 and a bias, if that unit is
    coarser than the output's).

    Args:
        low, layer: the lowering, and the layer to emit.
        x: name of the input.
        weight_bits: width of the weights, including the sign.
        carried: error of the input, if not that of its type.
    """
    tensor_type, name, origin = low.int_type(x), layer.name, layer.origin
    weight = layer.weight * float(tensor_type.scale or 1)
    channels = len(weight)
    largest = np.abs(weight).reshape(channels, -1).max(axis=1)
    room = np.float64((1 << (weight_bits - 1)) - 1)
    g = np.where(largest > 0, np.floor(np.log2(room / np.maximum(largest, 1e-290))), 0)
    out = -int(np.log2(float(layer.scale)))
    bias_room = 60 - np.frexp(np.maximum(np.abs(floats(layer.offset)), 1e-300))[1]
    # A unit coarser than the output's needs a multiplication, so that the weights keep their width.
    g = np.clip(np.minimum(g, bias_room), out - 30, out + 46).astype(np.int64)
    scaled = np.rint(weight * np.exp2(g)[:, None, None, None])
    if not (np.abs(scaled) < 2.0**ACCUMULATOR_BITS).all():
        most = np.abs(scaled).max()
        raise Unfit(f"weights of {most:.2g} units, beyond {ACCUMULATOR_BITS} bits")
    integers = scaled.astype(np.int64)
    miss = _miss(layer, tensor_type, integers, g, tensor_type.error if carried is None else carried)
    op, accumulator = layer.op, low.fresh(f"{name}.acc")
    low.put(
        Conv(
            output=accumulator,
            inputs=(x,),
            origin=origin,
            stride=op.stride,
            pads=op.pads,
            weight=low.const(f"{name}.weight.fixed", Constant.narrow(integers)),
            dilation=op.dilation,
            groups=op.groups,
        ),
        None,
    )
    shift, multiplier = np.maximum(g - out, 0), np.left_shift(1, np.maximum(out - g, 0))
    biases = [to_fixed(o, max(int(k), out)) for o, k in zip(layer.offset, g, strict=True)]
    off = Fraction(max(m for _, m in biases))
    lo, hi = limits_of(low.formats.bits[(layer.after or op).output], True)
    low.put(
        Requantize(
            output=name,
            inputs=(accumulator,),
            origin=origin,
            lo=lo,
            hi=hi,
            multiplier=low.const(f"{name}.multiplier", Constant.narrow(multiplier)),
            bias=low.const(f"{name}.bias", Constant.narrow([b for b, _ in biases])),
            shift=low.const(f"{name}.shift", Constant.narrow(shift)),
        ),
        layer.scale,
        miss + off + (layer.scale / 2 if shift.any() else 0),
    )


def _miss(
    layer: UnquantizedLayer,
    tensor_type: IntType,
    integers: NDArray[np.int64],
    g: NDArray[np.int64],
    carried: Fraction,
) -> Fraction:
    """Return a bound on the accumulator's error, from rounded weights and the input's error."""
    scale, sums = float(tensor_type.scale or 1), layer.sums()
    rounded = integers * np.exp2(-g.astype(float))[:, None, None, None] / scale
    off = np.abs(layer.weight - rounded).reshape(len(sums), -1).sum(axis=1)
    off = off + sums * 2.0**-50  # error of this float64 analysis
    most = float(tensor_type.real_most)
    return Fraction(float((off * most + sums * float(carried)).max() * (1 + 2.0**-40)))
