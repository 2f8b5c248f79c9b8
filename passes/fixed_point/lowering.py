"""Helpers to emit the integer operations of fixed-point tensors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from n2uqc.frontend.diagnostics import Unfit

from ..options import STREAM_BITS, Options
from ..program import ConstRef, Op, Program
from ..program.exact import Surd
from ..program.operation import integer
from ..program.ops import Requantize
from ..program.ops.real import floats
from ..program.types import Constant, IntType, TensorType, limits_of
from ..rewrite import ConstantPool, fresh
from .formats import Formats
from .multipliers import Scaling, scaling, short

ZERO, ONE = Surd.of(0), Surd.of(1)


class Lowering:
    """Emits integer operations, with their scales and error bounds.

    Attributes:
        formats: the scales and widths of tensors.
        types, pool, ops: types, constants and operations emitted so far.
        rests: the rest of each narrowed tensor, by the names of the tensor and its narrowed form.
    """

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self.formats = Formats(program, options)
        self.types: dict[str, TensorType] = dict(program.types)
        self.pool = ConstantPool(dict(program.constants))
        self.ops: list[Op] = []
        self._scaled: dict[tuple[str, Fraction, int], str] = {}
        self.rests: dict[tuple[str, str], str] = {}

    def put(self, op: Op, scale: Fraction | None, error: Fraction = Fraction(0)) -> str:
        tensor_type = op.infer_integer(self.types, self.pool.all)
        self.types[op.output] = replace(tensor_type, scale=scale, error=short(error))
        self.ops.append(op)
        return op.output

    def const(self, wish: str, constant: Constant) -> ConstRef:
        return ConstRef(self.pool.add(wish, constant))

    def int_type(self, name: str) -> IntType:
        return integer(name, self.types[name])

    def requantize(
        self,
        name: str,
        x: str,
        slope: list[Surd],
        offset: list[Surd],
        scale: Fraction,
        bits: int,
        origin: tuple[str, ...],
    ) -> str:
        """Emit ``name = slope * x + offset`` (real units) with a scale."""
        tensor_type = self.int_type(x)
        unit = (tensor_type.scale or Fraction(1)) / scale
        if tensor_type.bits > STREAM_BITS[0] and any(
            np.frexp(abs(v) * float(unit))[0] not in (0, 0.5) for v in floats(tuple(slope))
        ):
            x = self.narrowed(x, STREAM_BITS[0])  # so that the multiplier keeps its bits
            tensor_type = self.int_type(x)
            unit = (tensor_type.scale or Fraction(1)) / scale
        most = max(abs(tensor_type.lo), abs(tensor_type.hi))
        s = scaling(
            [a * unit for a in slope],
            [o * (1 / scale) for o in offset],
            most,
            lifted=self.formats.lifted,
        )
        steepest = Fraction(float(np.abs(floats(tuple(slope))).max()) * (1 + 2.0**-40))
        error = s.error * abs(scale) + tensor_type.error * steepest
        if s.lift:
            return self._lifted(name, x, s, scale, bits, error, origin)
        return self.put(self._requantized(name, x, s, bits, origin), scale, error)

    def _requantized(
        self, name: str, x: str, s: Scaling, bits: int, origin: tuple[str, ...]
    ) -> Requantize:
        lo, hi = limits_of(bits, True)
        return Requantize(
            output=name,
            inputs=(x,),
            origin=origin,
            lo=lo,
            hi=hi,
            multiplier=self.const(f"{name}.multiplier", s.multiplier),
            bias=self.const(f"{name}.bias", s.bias),
            shift=self.const(f"{name}.shift", s.shift),
        )

    def _lifted(
        self,
        name: str,
        x: str,
        s: Scaling,
        scale: Fraction,
        bits: int,
        error: Fraction,
        origin: tuple[str, ...],
    ) -> str:
        """Emit a map too steep for one multiplier: a product, then a power of 2 and the bias."""
        lift, bias = np.array(s.lift), s.bias.values
        zeros = np.zeros_like(lift)
        first = replace(s, bias=Constant.narrow(np.where(lift > 0, 0, bias)))
        low = self.put(self._requantized(self.fresh(f"{name}.low"), x, first, bits, origin), None)
        second = Scaling(
            Constant.narrow(np.left_shift(1, lift)),
            Constant.narrow(np.where(lift > 0, bias, 0)),
            Constant.narrow(zeros),
            error,
        )
        return self.put(self._requantized(name, low, second, bits, origin), scale, error)

    def rescaled(self, x: str, scale: Fraction, bits: int, suffix: str) -> str:
        """Emit a tensor with another scale, once for all callers with the same arguments."""
        if self.int_type(x).scale == scale:
            return x
        key = x, scale, bits
        if key not in self._scaled:
            channels = self.int_type(x).shape[2]
            self._scaled[key] = self.requantize(
                self.fresh(f"{x}.{suffix}"),
                x,
                [ONE] * channels,
                [ZERO] * channels,
                scale,
                bits,
                maker.origin if (maker := self.program.producer(x)) is not None else (),
            )
        return self._scaled[key]

    def fresh(self, wish: str) -> str:
        """Return a free tensor name."""
        return fresh(self.types, wish)

    def narrowed(self, x: str, bits: int) -> str:
        """Emit a tensor rounded to at most ``bits`` bits."""
        tensor_type = self.int_type(x)
        surplus = tensor_type.bits + (not tensor_type.signed) - bits
        if surplus <= 0:
            return x
        if bits < 2:
            raise Unfit(f"what is computed from '{x}' needs more than 64 bits")
        if tensor_type.scale is None:  # scales of an accumulator differ by channel
            self.types[x] = tensor_type = replace(tensor_type, scale=Fraction(1))
            narrow = self.rescaled(x, Fraction(1 << surplus), bits, f"to{bits}")
            self.types[x] = replace(tensor_type, scale=None)
            return narrow
        return self.rescaled(x, tensor_type.scale * (1 << surplus), bits, f"to{bits}")
