"""Fixed-point forms of input, skip connections, activations and pooling."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from n2uqc.frontend.diagnostics import CompileError, Problem, Unfit, reason

from ..options import Options
from ..program import Op, Program
from ..program.ops import Add, Clamp, Concat, PRelu, SumPool
from ..program.ops.movements import moved_integers
from ..program.ops.real import (
    Affine,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealMaxPool,
    RealMultiply,
    RealPRelu,
    RealRearrange,
    floats,
)
from ..program.types import Constant, IntType, limits_of
from ..rewrite import live
from .convolution import bits_read, convolution
from .equalize import equalized
from .formats import Formats
from .interpolation import interpolated
from .lowering import ZERO, Lowering
from .multipliers import short, to_fixed
from .product import product

SUM_BITS = 58  # most bits of window sums, including the sign; the rest is for rounding
_FAR = 1 << 62


class FixedPoint(Lowering):
    """The lowering of one program to fixed point."""

    def lower(self, op: Op) -> None:
        """Emit the integer form of an operation whose result has a format, with the same name."""
        bits = self.formats.bits[op.output]
        scale = Fraction(1, 2) ** self.formats.fraction_bits[op.output]
        if isinstance(op, Affine):
            conv, bent = self.formats.unit_conv(op), self.formats.unit_prelu(op)
            if conv is not None:
                convolution(self, conv, op, op.output, scale)
            elif bent is not None:
                self.prelu(bent, op, op.output, scale)
            else:
                self.requantize(
                    op.output, op.inputs[0], list(op.slope), list(op.offset), scale, bits, op.origin
                )
        elif isinstance(op, RealConv):
            convolution(self, op, None, op.output, scale)
        elif isinstance(op, RealPRelu):
            self.prelu(op, None, op.output, scale)
        elif isinstance(op, RealAdd):
            a, b = (self.rescaled(i, scale, bits, "aligned") for i in op.inputs)
            error = self.int_type(a).error + self.int_type(b).error
            self.put(Add(output=op.output, inputs=(a, b), origin=op.origin), scale, error)
        elif isinstance(op, RealMultiply):
            product(self, op, scale, bits)
        elif isinstance(op, RealConcat):
            a, b = (self.rescaled(i, scale, bits, "aligned") for i in op.inputs)
            error = max(self.int_type(a).error, self.int_type(b).error)
            self.put(Concat(output=op.output, inputs=(a, b), origin=op.origin), scale, error)
        elif isinstance(op, RealClip):
            self.clamp(op, scale)
        elif isinstance(op, RealMaxPool):
            name, x = op.inputs[0], self.int_type(op.inputs[0])
            if x.scale is not None and x.scale < 0:  # the least code has the greatest value
                name = self.rescaled(name, scale, self.formats.bits[op.output], "aligned")
                x = self.int_type(name)
            self.put(moved_integers(replace(op, inputs=(name,))), x.scale, x.error)
        elif isinstance(op, RealAvgPool):
            shape = self.int_type(op.inputs[0]).shape
            pool = SumPool(
                output=op.output,
                inputs=op.inputs,
                origin=op.origin,
                kernel=op.kernel,
                stride=op.stride,
                pads=op.pads,
                counted=op.counted,
            )
            divisor = pool.divisor(shape)
            name = self.narrowed(op.inputs[0], SUM_BITS - divisor.bit_length())
            x = self.int_type(name)
            if not pool.weighted(shape):
                pool = replace(pool, counted=None)
            scale = (x.scale or 1) * Fraction(1, divisor)
            self.put(replace(pool, inputs=(name,)), scale, x.error)
        elif isinstance(op, RealFlatten | RealRearrange):
            x = self.int_type(op.inputs[0])
            self.put(moved_integers(op), x.scale, x.error)
        elif isinstance(op, RealFunction) and op.is_square:
            square = RealMultiply(output=op.output, inputs=op.inputs * 2, origin=op.origin)
            product(self, square, scale, bits)
        elif isinstance(op, RealFunction):
            interpolated(self, op, scale)
        else:
            raise TypeError(f"no integer form for {op.mnemonic}")

    def clamp(self, op: RealClip, scale: Fraction) -> None:
        """Emit ``min(max(x, lo), hi)``; a missing bound is replaced by the range of x."""
        x = self.rescaled(op.inputs[0], scale, self.formats.bits[op.output], "aligned")
        tensor_type = self.int_type(x)
        # A bound beyond these does not limit any 64-bit value.
        low, high = (
            None if b is None else min(max(round(b * (1 / scale)), -_FAR), _FAR)
            for b in (op.lo, op.hi)
        )
        # All values of x may be beyond a bound; then the result is that bound.
        hi = max(tensor_type.hi, tensor_type.hi if low is None else low) if high is None else high
        lo = min(tensor_type.lo if low is None else low, hi)
        off = max(
            (
                abs(b - round(b * (1 / scale)) * scale).upper()
                for b in (op.lo, op.hi)
                if b is not None
            ),
            default=Fraction(0),
        )
        error = tensor_type.error
        if op.lo is not None and op.hi is not None:  # both values lie between the bounds
            error = min(error, (hi - lo) * abs(scale) + off)
        clamp = Clamp(output=op.output, inputs=(x,), origin=op.origin, lo=lo, hi=hi)
        self.put(clamp, scale, error + off)

    def prelu(self, op: RealPRelu, bias: Affine | None, name: str, scale: Fraction) -> None:
        """Emit PReLU with a bias; slopes use all bits of a 32-bit word."""
        x = self.rescaled(op.inputs[0], scale, self.formats.bits[name], "aligned")
        tensor_type = self.int_type(x)
        most = max(abs(tensor_type.lo), 1)
        steepest = float(np.abs(floats(op.slope)).max())
        whole = max(0, int(np.frexp(steepest)[1]))
        shift = 30 - whole
        if shift < 0:
            raise Unfit(f"PReLU slope {steepest:g} is too large for integers")
        slopes = [to_fixed(s, shift) for s in op.slope]
        miss = Fraction(max(m for _, m in slopes)) * most + Fraction(1, 2)
        offsets = bias.offset if bias is not None else (ZERO,) * len(slopes)
        biases = [to_fixed(o, self.formats.fraction_bits[name]) for o in offsets]
        lo, hi = limits_of(self.formats.bits[name], True)
        grown = max(Fraction(1), Fraction(steepest * (1 + 2.0**-40)))
        off = Fraction(max(m for _, m in biases))
        self.put(
            PRelu(
                output=name,
                inputs=(x,),
                origin=op.origin + (bias.origin if bias else ()),
                multiplier=self.const(f"{name}.slope", Constant.narrow([m for m, _ in slopes])),
                bias=self.const(f"{name}.bias", Constant.narrow([b for b, _ in biases])),
                shift=shift,
                lo=lo,
                hi=hi,
            ),
            scale,
            tensor_type.error * grown + miss * scale + off,
        )

    def input_format(self, name: str) -> None:
        """Choose the format of a real input, no finer than its readers need."""
        if not self.formats.is_real(name):
            return  # raw pixels
        bits = self.formats.input_bits
        readers = self.formats.readers[name]
        if self.options.stem_bits is None and all(isinstance(r, RealConv) for r in readers):
            tensor_type = self.input_type(name, bits)
            bits = max(
                (bits_read(self, *self.formats.unit_of(r), tensor_type) for r in readers),
                default=bits,
            )
        self.types[name] = self.input_type(name, self.formats.width(name, bits))

    def input_type(self, name: str, bits: int) -> IntType:
        """Return the type of an input with a width."""
        low, high = self.options.real_input_range()
        scale = Fraction(1, 2) ** self.formats.input_places(bits)
        lo, hi = (round(Fraction(v) / scale) for v in (low, high))
        shape = self.program.types[name].shape
        top = limits_of(bits, True)
        return replace(
            IntType.ranged(shape, max(lo, top[0]), min(hi, top[1]), scale),
            error=short(scale / 2),
        )

    def run(self) -> Program:
        for name in self.program.inputs:
            self.input_format(name)
        for op in self.program.ops:
            if op.output not in self.formats.needed:
                self.ops.append(op)
                continue
            try:
                self.lower(op)
            except ValueError as error:
                supported = "scales within 64-bit integer requantization (SPEC.md)"
                hint = "lower --residual-bits or --stem-bits, or check the layer's parameters"
                if isinstance(op, RealFunction):
                    supported = "functions of bounded values and slope over the input's range"
                    hint = "clamp what it is taken of, add a constant, or put a quantizer behind it"
                if isinstance(op, RealAvgPool) and op.counted is not None:
                    hint = "set count_include_pad=True without ceil_mode, or pool smaller windows"
                raise CompileError(
                    Problem(
                        node=", ".join(op.origin),
                        op=op.mnemonic,
                        found=reason(error),
                        supported=supported,
                        hint=hint,
                    )
                ) from None
        self.formats.check_widths()
        return live(
            replace(self.program, ops=tuple(self.ops), types=self.types, constants=self.pool.all)
        )


def widths(program: Program, options: Options) -> dict[str, int]:
    """Return all adjustable widths by name, of a program before the pass ``fixed-point``."""
    lowering = FixedPoint(program, options)
    lowering.run()
    return lowering.formats.widths


def fixed_point(program: Program, options: Options) -> Program:
    """Lower all tensors that the network does not quantize to fixed-point integers."""
    if options.equalize:
        program = equalized(program, Formats(program, options).ranges)
    return FixedPoint(program, options).run()
