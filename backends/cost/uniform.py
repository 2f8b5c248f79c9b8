"""Other quantizers in a threshold unit's place, as engines that this datapath has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from n2uqc.passes.program import Constant, ConstRef, IntType, PRelu, Requantize, Thresholds
from n2uqc.passes.program.types import limits_of

from ..fpga.engines import Engine
from ..fpga.engines.rescale import PReluUnit, Requantizer
from ..fpga.engines.threshold import ThresholdUnit
from ..fpga.hdl.terms import Cells
from ..fpga.resources import best_form, resources

MULTIPLIER_BITS, NARROW_BITS, BIAS_BITS = 16, 8, 16

Scale = Literal["multiply-shift", "narrow multiply-shift", "power of two"]
SCALES: dict[Scale, int] = {
    "multiply-shift": MULTIPLIER_BITS,
    "narrow multiply-shift": NARROW_BITS,
    "power of two": 1,
}
"""Multiplier bits by kind of uniform quantizer; a power of two is a shift alone."""


@dataclass(frozen=True)
class Built:
    """A quantizer's hardware.

    Attributes:
        form: how it is built.
        cells: what it takes.
        parameter_bits: that are stored for all channels.
        read_bits: parameter bits read for one result; 0 where they are wiring.
    """

    form: str
    cells: Cells
    parameter_bits: int
    read_bits: int


def widened(engine: ThresholdUnit, growth: int) -> ThresholdUnit:
    """The same comparisons on accumulators of so many bits more, or less where it is negative."""
    tensor_type = engine.inputs[0]
    if growth < 0:
        growth = min(0, max(growth, 2 - tensor_type.bits))  # two bits are left, if there were two
    if not growth:
        return engine
    low, high = limits_of(tensor_type.bits + growth, tensor_type.signed)
    wide = IntType(
        tensor_type.shape,
        tensor_type.bits + growth,
        tensor_type.signed,
        low,
        high,
        tensor_type.scale,
    )
    old = engine.values(engine.op.bounds)
    bounds = Constant.narrow(old << growth if growth > 0 else old >> -growth)
    constants = {**engine.constants, engine.op.bounds: bounds}
    return replace(engine, inputs=(wide,), constants=constants, facts={})


def thresholds(engine: ThresholdUnit, form: str, family: str, growth: int = 0) -> Built:
    """The comparisons themselves, in a form, or in the smaller one if the accumulator grows."""
    wide = widened(engine, growth)
    form = best_form(wide, family) if growth else form
    steps, levels = engine.values(engine.op.bounds).shape[1], engine.levels
    width, channels = wide.inputs[0].bits, engine.output.shape[2]
    compared = steps if form == "parallel" else levels
    read = compared * width if channels > engine.fold.pe else 0
    cells = resources(wide, form, family).total
    return Built(form, cells, steps * width * channels, read)


def uniform(engine: ThresholdUnit, scale: Scale, family: str, *, bent: bool) -> Built:
    """A uniform quantizer: multiplier, bias, rounding shift, clamp; before it a PReLU if ``bent``.

    Multipliers and biases are drawn, of the widths that a trained network's have; the shift is one
    for the layer.
    """
    made = [requantizer(engine, SCALES[scale])]
    if bent:
        made.append(bend(engine))
    channels = engine.output.shape[2]
    cells = sum((resources(each, "", family).total for each in made), Cells())
    word = (SCALES[scale] if SCALES[scale] > 1 else 0) + BIAS_BITS
    word += (MULTIPLIER_BITS + BIAS_BITS) * bent
    return Built(scale, cells, word * channels, word if channels > engine.fold.pe else 0)


def example(width: int, bits: int, channels: int) -> ThresholdUnit:
    """A threshold unit of one lane with bounds drawn over the accumulator's middle."""
    low, high = limits_of(width, True)
    rng, steps = np.random.default_rng(0), (1 << bits) - 1
    bounds = np.sort(rng.integers(low // 4, high // 4 + 1, (channels, steps)), axis=1)
    tensor_type = IntType((1, 1, channels), width, True, low, high, Fraction(1))
    op = Thresholds(
        output="y",
        inputs=("x",),
        bounds=ConstRef("t"),
        signs=ConstRef("s"),
        base=ConstRef("b"),
        bits=bits,
    )
    constants = {
        "t": Constant.narrow(bounds),
        "s": Constant.odd(np.ones_like(bounds), 1),
        "b": Constant.narrow(np.zeros(channels, np.int64)),
    }
    result = op.infer({"x": tensor_type}, constants)
    assert isinstance(result, IntType)
    return ThresholdUnit(op=op, inputs=(tensor_type,), output=result, constants=constants)


def requantizer(engine: ThresholdUnit, multiplier_bits: int) -> Engine:
    """The engine of a uniform quantizer from and to a threshold unit's types."""
    tensor_type, result = engine.inputs[0], engine.output
    channels, rng = result.shape[2], np.random.default_rng(multiplier_bits)
    shift = max(1, tensor_type.bits + multiplier_bits - 1 - result.bits)
    if multiplier_bits > 1:
        factors = rng.integers(1 << (multiplier_bits - 1), 1 << multiplier_bits, channels)
    else:
        factors = np.ones(channels, np.int64)
    reach = 1 << min(62, max(2, tensor_type.bits + multiplier_bits - 4))
    constants = {
        "multiplier": Constant.narrow(factors),
        "bias": Constant.narrow(rng.integers(-reach, reach, channels)),
        "shift": Constant.narrow(np.full(channels, shift)),
    }
    op = Requantize(
        output=engine.name,
        inputs=engine.op.inputs,
        multiplier=ConstRef("multiplier"),
        bias=ConstRef("bias"),
        shift=ConstRef("shift"),
        lo=result.lo,
        hi=result.hi,
    )
    return Requantizer(
        op=op, inputs=(tensor_type,), output=result, constants=constants, fold=engine.fold
    )


def bend(engine: ThresholdUnit) -> Engine:
    """A PReLU before a uniform quantizer: what makes a threshold table go up and down."""
    tensor_type = engine.inputs[0]
    channels, rng = engine.output.shape[2], np.random.default_rng(0)
    low, high = limits_of(tensor_type.bits, tensor_type.signed)
    half, reach = 1 << (MULTIPLIER_BITS - 1), 1 << max(1, tensor_type.bits - 2)
    op = PRelu(
        output=engine.name,
        inputs=engine.op.inputs,
        multiplier=ConstRef("multiplier"),
        bias=ConstRef("bias"),
        shift=MULTIPLIER_BITS - 1,
        lo=low,
        hi=high,
    )
    constants = {
        "multiplier": Constant.narrow(rng.integers(-half, half, channels)),
        "bias": Constant.narrow(rng.integers(-reach, reach, channels)),
    }
    return PReluUnit(
        op=op, inputs=(tensor_type,), output=tensor_type, constants=constants, fold=engine.fold
    )
