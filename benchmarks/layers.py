"""The layers of the instruction record: typical shapes, as integer programs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from n2uqc.passes.program import (
    Add,
    Constant,
    ConstRef,
    Conv,
    Interface,
    IntType,
    MaxPool,
    Op,
    PRelu,
    Program,
    Requantize,
    Thresholds,
    verify,
)


class Layers:
    """A program under construction.

    Attributes:
        rng: generator of weights, tables and multipliers.
    """

    def __init__(self, name: str, size: int, channels: int, bits: int, signed: bool) -> None:
        self.name, self.rng = name, np.random.default_rng(0)
        lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        shape = (size, size, channels)
        self.types: dict[str, Any] = {"x": IntType(shape, bits, signed, lo, hi, Fraction(1))}
        self.ops: list[Op] = []
        self.constants: dict[str, Constant] = {}

    def _add(self, op: type[Op], *inputs: str, **attributes: Any) -> str:
        operation = op(output=f"t{len(self.ops)}", inputs=inputs, **attributes)
        self.types[operation.output] = operation.infer(self.types, self.constants)
        self.ops.append(operation)
        return operation.output

    def _constant(self, constant: Constant) -> ConstRef:
        name = f"c{len(self.constants)}"
        self.constants[name] = constant
        return ConstRef(name)

    def conv(
        self, x: str, out: int, kernel: int, stride: int, weight_bits: int, groups: int = 1
    ) -> str:
        """Add a padded convolution; weights of up to 4 bits are odd codes."""
        top, pad = (1 << weight_bits) - 1, kernel // 2
        shape = (out, kernel, kernel, self.types[x].shape[2] // groups)
        if weight_bits <= 4:
            weight = Constant.odd(2 * self.rng.integers(0, top + 1, shape) - top, weight_bits)
        else:
            weight = Constant.narrow(self.rng.integers(-(top // 2), top // 2 + 1, shape))
        return self._add(
            Conv,
            x,
            weight=self._constant(weight),
            stride=(stride, stride),
            pads=(pad, pad, pad, pad),
            groups=groups,
        )

    def thresholds(self, x: str, bits: int, mixed: bool = False) -> str:
        """Add comparison tables over the middle of the range, rising ones or ones of every form.

        Of ``mixed`` tables every third falls, as behind a negative factor of a BatchNorm, and every
        eighth falls and then rises, as behind a PReLU of negative slope.
        """
        kind, count = self.types[x], (1 << bits) - 1
        ends = kind.lo // 4, max(kind.hi // 4, kind.lo // 4 + 1)
        bounds = np.sort(self.rng.integers(*ends, (kind.shape[2], count)), axis=1)
        signs = np.ones_like(bounds)
        if mixed:
            signs[1::3] = -1
            signs[2::8, : count // 2], signs[2::8, count // 2 :] = -1, 1
        base = np.maximum(-np.cumsum(signs, axis=1).min(axis=1), 0)
        return self._add(
            Thresholds,
            x,
            bounds=self._constant(Constant.narrow(bounds)),
            signs=self._constant(Constant.odd(signs, 1)),
            base=self._constant(Constant.narrow(base)),
            bits=bits,
        )

    def requantize(self, x: str) -> str:
        """Add a requantization to 31 bits: of wide sums by a shift only,
        of narrow ones also by 31-bit multipliers.
        """
        kind = self.types[x]
        bits, channels = max(-kind.lo, kind.hi, 1).bit_length(), kind.shape[2]
        ends = (1, 2) if bits > 31 else (1 << 30, (1 << 31) - 1)
        multiplier = self.rng.integers(*ends, channels)
        shift = max(bits + int(ends[1] - 1).bit_length() - 31, 0)
        bias = self.rng.integers(-(1 << 20), 1 << 20, channels)
        return self._add(
            Requantize,
            x,
            multiplier=self._constant(Constant.narrow(multiplier)),
            bias=self._constant(Constant.narrow(bias)),
            shift=self._constant(Constant.narrow(np.full(channels, shift))),
            lo=-(1 << 31),
            hi=(1 << 31) - 1,
        )

    def residual(self, x: str) -> str:
        """Add a requantization to the skip stream, a sum with another branch, and a PReLU."""
        total = self._add(Add, self.requantize(x), self.requantize(x))
        slope = self.rng.integers(1 << 26, 1 << 28, self.types[total].shape[2])
        bias = self.rng.integers(-(1 << 18), 1 << 18, self.types[total].shape[2])
        return self._add(
            PRelu,
            total,
            multiplier=self._constant(Constant.narrow(slope)),
            shift=29,
            bias=self._constant(Constant.narrow(bias)),
            lo=-(1 << 31),
            hi=(1 << 31) - 1,
        )

    def maxpool(self, x: str) -> str:
        """Add a 3x3 maximum pool of stride 2."""
        return self._add(MaxPool, x, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))

    def finish(self, y: str) -> Program:
        """Return the finished program."""
        shapes = [(*kind.shape[2:], *kind.shape[:2]) for kind in (self.types["x"], self.types[y])]
        program = Program(
            self.name,
            Interface.single("x", shapes[0], "y", shapes[1]),
            ("x",),
            (y,),
            self.types,
            tuple(self.ops),
            self.constants,
        )
        verify(program)
        return program


def codes(
    name: str,
    bits: int,
    size: int,
    channels: int,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    mixed: bool = False,
) -> Program:
    """Return a quantized convolution with the next layer's thresholds."""
    layers = Layers(name, size, channels, bits, False)
    sums = layers.conv("x", out, kernel, stride, bits, groups)
    return layers.finish(layers.thresholds(sums, bits, mixed))


def stem(name: str, bits: int, size: int) -> Program:
    """Return a stem: 7x7, stride 2, 3 to 64 channels, with its requantization."""
    layers = Layers(name, size, 3, bits, True)
    return layers.finish(layers.requantize(layers.conv("x", 64, 7, 2, bits)))


def head(name: str) -> Program:
    """Return a head: fully connected, 512 to 104."""
    layers = Layers(name, 1, 512, 24, True)
    return layers.finish(layers.conv("x", 104, 1, 1, 16))


def residual(name: str, size: int, channels: int) -> Program:
    """Return the operations after the second convolution of a block."""
    layers = Layers(name, size, channels, 13, True)
    return layers.finish(layers.residual("x"))


def tables(name: str, bits: int, size: int, channels: int) -> Program:
    """Return thresholds on a skip stream."""
    layers = Layers(name, size, channels, 31, True)
    return layers.finish(layers.thresholds("x", bits))


def pool(name: str, size: int, channels: int) -> Program:
    """Return the pooling after a stem."""
    layers = Layers(name, size, channels, 31, False)
    return layers.finish(layers.maxpool("x"))
