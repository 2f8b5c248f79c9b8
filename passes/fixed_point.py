"""Integer operations for what N2UQ leaves real-valued: input, stem, skips, pooling, head."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from n2uqc.frontend.diagnostics import CompileError, Problem

from .formats import Formats
from .multipliers import scaling, short, to_fixed
from .options import Options
from .program.base import ConstRef, Op, Program
from .program.exact import Surd
from .program.ops import Add, Clamp, Concat, Conv, Flatten, MaxPool, PRelu, Requantize, SumPool
from .program.ops.real import (
    Affine,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
    floats,
)
from .program.types import Constant, IntType, TensorType, limits_of
from .rewrite import Constants, live

ZERO, ONE = Surd.of(0), Surd.of(1)
HEAD_INPUT_BITS = 24  # pooled features, at least
ACCUMULATOR_BITS = 62  # of unquantized convolutions, sign included: room for bias and rounding


class FixedPoint:
    """One lowering in progress."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self.formats = Formats(program, options)
        self.types: dict[str, TensorType] = dict(program.types)
        self.pool = Constants(dict(program.constants))
        self.ops: list[Op] = []

    def put(self, op: Op, scale: Fraction | None, error: Fraction = Fraction(0)) -> str:
        kind = op.infer(self.types, self.pool.all)
        assert isinstance(kind, IntType)
        self.types[op.output] = replace(kind, scale=scale, error=short(error))
        self.ops.append(op)
        return op.output

    def const(self, wish: str, constant: Constant) -> ConstRef:
        return ConstRef(self.pool.add(wish, constant))

    def kind(self, name: str) -> IntType:
        kind = self.types[name]
        assert isinstance(kind, IntType), f"%{name} has no integer format yet"
        return kind

    def requantize(
        self, name: str, x: str, slope: list[Surd], offset: list[Surd], scale: Fraction, bits: int,
        origin: tuple[str, ...],
    ) -> str:
        """``name = slope * x + offset`` (real units) at a scale."""
        kind = self.kind(x)
        unit = (kind.scale or Fraction(1)) / scale
        most = max(abs(kind.lo), abs(kind.hi))
        s = scaling([a * unit for a in slope], [o * (1 / scale) for o in offset], most)
        lo, hi = limits_of(bits, True)
        steepest = Fraction(float(np.abs(floats(tuple(slope))).max()) * (1 + 2.0**-40))
        return self.put(
            Requantize(
                output=name, inputs=(x,), origin=origin, lo=lo, hi=hi,
                multiplier=self.const(f"{name}.multiplier", s.multiplier),
                bias=self.const(f"{name}.bias", s.bias), shift=self.const(f"{name}.shift", s.shift),
            ),
            scale, s.error * scale + kind.error * steepest,
        )

    def rescaled(self, x: str, scale: Fraction, bits: int, suffix: str) -> str:
        """A tensor at another scale (shared by all that ask for the same)."""
        if self.kind(x).scale == scale:
            return x
        name = f"{x}.{suffix}"
        if name not in self.types or self.kind(name).scale != scale:
            channels = self.kind(x).shape[2]
            self.requantize(
                name, x, [ONE] * channels, [ZERO] * channels, scale, bits,
                made.origin if (made := self.program.producer(x)) is not None else (),
            )
        return name

    def narrowed(self, x: str, bits: int) -> str:
        """A tensor of at most ``bits`` bits: the input of an unquantized convolution."""
        kind = self.kind(x)
        surplus = kind.bits + (not kind.signed) - bits
        if surplus <= 0:
            return x
        assert kind.scale is not None
        return self.rescaled(x, kind.scale * (1 << surplus), bits, f"to{bits}")

    def lower(self, op: Op) -> None:
        """Emit the integer form of a formatted tensor's operation under the same name."""
        bits = self.formats.bits[op.output]
        scale = Fraction(1, 2) ** self.formats.fraction_bits[op.output]
        if isinstance(op, Affine):
            conv, bent = self.formats.unit_conv(op), self.formats.unit_prelu(op)
            if conv is not None:
                self.convolution(conv, op, op.output, scale)
            elif bent is not None:
                self.prelu(bent, op, op.output, scale)
            else:
                self.requantize(op.output, op.inputs[0], list(op.slope), list(op.offset), scale,
                                bits, op.origin)
        elif isinstance(op, RealConv):
            self.convolution(op, None, op.output, scale)
        elif isinstance(op, RealPRelu):
            self.prelu(op, None, op.output, scale)
        elif isinstance(op, RealAdd):
            a, b = (self.rescaled(i, scale, bits, "aligned") for i in op.inputs)
            error = self.kind(a).error + self.kind(b).error
            self.put(Add(output=op.output, inputs=(a, b), origin=op.origin), scale, error)
        elif isinstance(op, RealConcat):
            a, b = (self.rescaled(i, scale, bits, "aligned") for i in op.inputs)
            error = max(self.kind(a).error, self.kind(b).error)
            self.put(Concat(output=op.output, inputs=(a, b), origin=op.origin), scale, error)
        elif isinstance(op, RealClip):
            self.clamp(op, scale)
        elif isinstance(op, RealMaxPool):
            x = self.kind(op.inputs[0])
            self.put(
                MaxPool(output=op.output, inputs=op.inputs, origin=op.origin, kernel=op.kernel,
                        stride=op.stride, pads=op.pads), x.scale, x.error,
            )
        elif isinstance(op, RealAvgPool):
            x = self.kind(op.inputs[0])
            pool = SumPool(
                output=op.output, inputs=op.inputs, origin=op.origin, kernel=op.kernel,
                stride=op.stride, pads=op.pads, counted=op.counted,
            )
            scale = (x.scale or 1) * Fraction(1, pool.divisor(x.shape))
            if not pool.weighted(x.shape):
                pool = replace(pool, counted=None)
            self.put(pool, scale, x.error)
        elif isinstance(op, RealFlatten):
            x = self.kind(op.inputs[0])
            flat = Flatten(output=op.output, inputs=op.inputs, origin=op.origin)
            self.put(flat, x.scale, x.error)
        else:
            raise TypeError(f"no integer form for {op.mnemonic}")

    def clamp(self, op: RealClip, scale: Fraction) -> None:
        x = self.rescaled(op.inputs[0], scale, self.formats.bits[op.output], "aligned")
        kind = self.kind(x)
        lo, hi = (
            far if bound is None else round(bound * (1 / scale))
            for bound, far in ((op.lo, kind.lo), (op.hi, kind.hi))
        )
        off = max((abs(b - round(b * (1 / scale)) * scale).upper()
                   for b in (op.lo, op.hi) if b is not None), default=Fraction(0))
        self.put(Clamp(output=op.output, inputs=(x,), origin=op.origin, lo=min(lo, hi), hi=hi),
                 scale, kind.error + off)

    def prelu(self, op: RealPRelu, bias: Affine | None, name: str, scale: Fraction) -> None:
        """``bend(x) + bias`` on the stream; slopes get all the bits that 64 leave."""
        x = self.rescaled(op.inputs[0], scale, self.formats.bits[name], "aligned")
        kind = self.kind(x)
        most = max(abs(kind.lo), 1)
        steepest = float(np.abs(floats(op.slope)).max())
        whole = max(0, int(np.frexp(steepest)[1]))
        shift = min(31 - whole - 1, 61 - most.bit_length() - whole)
        if shift < 0:
            raise ValueError(f"PReLU slope {steepest:g} is too large for integers")
        slopes = [to_fixed(s, shift) for s in op.slope]
        miss = Fraction(max(m for _, m in slopes)) * most + Fraction(1, 2)
        offsets = bias.offset if bias is not None else (ZERO,) * len(slopes)
        biases = [to_fixed(o, self.formats.fraction_bits[name]) for o in offsets]
        lo, hi = limits_of(self.formats.bits[name], True)
        grown = max(Fraction(1), Fraction(steepest * (1 + 2.0**-40)))
        off = Fraction(max(m for _, m in biases))
        self.put(
            PRelu(
                output=name, inputs=(x,), origin=op.origin + (bias.origin if bias else ()),
                multiplier=self.const(f"{name}.slope", Constant.narrow([m for m, _ in slopes])),
                bias=self.const(f"{name}.bias", Constant.narrow([b for b, _ in biases])),
                shift=shift, lo=lo, hi=hi,
            ),
            scale, kind.error * grown + miss * scale + off,
        )

    def convolution(self, op: RealConv, after: Affine | None, name: str, scale: Fraction) -> None:
        """An unquantized convolution: its affine map joins the weights, which become integers.

        Channel ``c`` has weights of ``2**-g[c]``, so that one accumulator unit is worth
        ``2**-g[c]`` and only a shift and a bias remain behind it (a power of 2 and a bias, where
        that unit is coarser than the output's).
        """
        head = self.formats.is_head(op, name)
        weight_bits = self.formats.width(
            f"{name}.weight", self.options.head_bits if head else self.options.stem_bits
        )
        taps = self.program.constants[op.weight].values[0].size
        most = ACCUMULATOR_BITS + 1 - weight_bits - (taps - 1).bit_length()
        wanted = max(self.options.operand_bits, HEAD_INPUT_BITS if head else 0)
        x = self.narrowed(op.inputs[0], min(wanted, most))
        kind = self.kind(x)
        weight = op.real_weight(self.program.constants) * float(kind.scale or 1)
        channels = len(weight)
        slope = floats(after.slope) if after is not None else np.ones(channels)
        offset = after.offset if after is not None else (ZERO,) * channels
        weight = weight * slope[:, None, None, None]
        largest = np.abs(weight).reshape(channels, -1).max(axis=1)
        room = np.float64((1 << (weight_bits - 1)) - 1)
        g = np.where(largest > 0, np.floor(np.log2(room / np.maximum(largest, 1e-300))), 0)
        out = -int(np.log2(float(scale)))
        bias_room = 60 - np.frexp(np.maximum(np.abs(floats(offset)), 1e-300))[1]
        # A unit coarser than the output's is multiplied up: weights keep to their width.
        g = np.clip(np.minimum(g, bias_room), out - 30, out + 46).astype(np.int64)
        integers = np.rint(weight * np.exp2(g)[:, None, None, None]).astype(np.int64)
        miss = self._weight_miss(op, after, kind, integers, g)
        origin = op.origin + (after.origin if after is not None else ())
        accumulator = f"{name}.acc"
        self.put(
            Conv(
                output=accumulator, inputs=(x,), origin=origin, stride=op.stride, pads=op.pads,
                weight=self.const(f"{name}.weight.fixed", Constant.narrow(integers)),
                dilation=op.dilation, groups=op.groups,
            ), None,
        )
        shift, multiplier = np.maximum(g - out, 0), np.left_shift(1, np.maximum(out - g, 0))
        biases = [to_fixed(o, max(int(k), out)) for o, k in zip(offset, g, strict=True)]
        off = Fraction(max(m for _, m in biases))
        lo, hi = limits_of(self.formats.bits[name], True)
        self.put(
            Requantize(
                output=name, inputs=(accumulator,), origin=origin, lo=lo, hi=hi,
                multiplier=self.const(f"{name}.multiplier", Constant.narrow(multiplier)),
                bias=self.const(f"{name}.bias", Constant.narrow([b for b, _ in biases])),
                shift=self.const(f"{name}.shift", Constant.narrow(shift)),
            ),
            scale, miss + off + (scale / 2 if shift.any() else 0),
        )

    def _weight_miss(
        self, op: RealConv, after: Affine | None, kind: IntType, integers: np.ndarray,
        g: np.ndarray,
    ) -> Fraction:
        """Bound on the accumulator's error: rounded weights, and the input's own error."""
        exact = op.real_weight(self.program.constants)
        if after is not None:
            exact = exact * floats(after.slope)[:, None, None, None]
        scale = float(kind.scale or 1)
        rounded = integers * np.exp2(-g.astype(float))[:, None, None, None] / scale
        rows = (len(exact), -1)
        off = np.abs(exact - rounded).reshape(rows).sum(axis=1)
        off = off + np.abs(exact).reshape(rows).sum(axis=1) * 2.0**-50  # this analysis is float64
        most = max(abs(kind.lo), abs(kind.hi)) * scale
        carried = np.abs(exact).reshape(rows).sum(axis=1) * float(kind.error)
        return Fraction(float((off * most + carried).max() * (1 + 2.0**-40)))

    def input_format(self) -> None:
        """Fixed point of the stem's width for the model's real input."""
        if not self.formats.is_real(self.program.input):
            return  # raw pixels
        low, high = self.options.real_input_range()
        name = self.program.input
        bits = self.formats.width(name, self.options.stem_bits)
        # The range's power of two, so that common ranges (1, 8) get exact binary fractions.
        reach = max(abs(low), abs(high))
        scale = Fraction(2) ** (int(np.ceil(np.log2(reach))) - (bits - 1))
        lo, hi = (round(Fraction(v) / scale) for v in (low, high))
        shape = self.program.types[name].shape
        top = limits_of(bits, True)
        self.types[name] = replace(
            IntType.ranged(shape, max(lo, top[0]), min(hi, top[1]), scale),
            error=short(scale / 2),
        )

    def run(self) -> Program:
        self.input_format()
        for op in self.program.ops:
            if op.output not in self.formats.needed:
                self.ops.append(op)
                continue
            try:
                self.lower(op)
            except ValueError as error:
                mend = "lower --residual-bits or --stem-bits, or check the layer's parameters"
                if isinstance(op, RealAvgPool) and op.counted is not None:
                    mend = "set count_include_pad=True without ceil_mode, or pool smaller windows"
                raise CompileError(Problem(
                    node=", ".join(op.origin), op=op.mnemonic, found=str(error),
                    supported="scales within 64-bit integer requantization (SPEC.md)", mend=mend,
                )) from None
        self.formats.check_widths()
        return live(replace(
            self.program, ops=tuple(self.ops), types=self.types, constants=self.pool.all
        ))


def widths(program: Program, options: Options) -> dict[str, int]:
    """Every adjustable width of a program that has not passed ``fixed-point`` yet, by name."""
    lowering = FixedPoint(program, options)
    lowering.run()
    return lowering.formats.widths


def fixed_point(program: Program, options: Options) -> Program:
    """Fixed-point formats and integer operations for all that is not quantized by the network."""
    return FixedPoint(program, options).run()

