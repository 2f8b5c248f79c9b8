"""Convolutions, pooling and joins of codes become integer operations on the codes themselves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..fixed_point.multipliers import short, to_fixed
from ..options import OPERAND_BITS, Options
from ..program import ConstRef, Op, Program
from ..program.exact import Surd
from ..program.ops import Concat, Conv, Flatten, Lookup, MaxPool
from ..program.ops.real import (
    Affine,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
    floats,
)
from ..program.types import Constant, IntType, TensorType
from ..rewrite import Constants, fresh, live

ZERO = Surd.of(0)


class IntegerLayers:
    """One rewrite in progress."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self.made = {op.output: op for op in program.ops}
        self.types: dict[str, TensorType] = {program.input: program.types[program.input]}
        self.pool = Constants(dict(program.constants))
        self.ops: list[Op] = []

    def put(self, op: Op, scale: Fraction | None = None, error: Fraction = Fraction(0)) -> None:
        kind = op.infer(self.types, self.pool.all)
        if isinstance(kind, IntType) and not op.real:
            kind = replace(kind, scale=scale, error=short(error))
        self.types[op.output] = kind
        self.ops.append(op)

    def codes(self, name: str) -> IntType | None:
        """The type of a tensor of integers with one scale, else None."""
        kind = self.types[name]
        return kind if isinstance(kind, IntType) and kind.scale is not None else None

    def lower(self, op: Op) -> None:
        if isinstance(op, RealConv) and op.step and self.convolution(op):
            return
        if isinstance(op, RealLookup):
            self.lookup(op)
            return
        found = [self.codes(i) for i in op.inputs]
        kinds = [k for k in found if k is not None]
        x = kinds[0] if kinds and len(kinds) == len(found) else None
        moved: Op | None = None
        rising = x is not None and x.scale is not None and x.scale > 0
        if x is not None and rising and isinstance(op, RealMaxPool):
            moved = MaxPool(
                output=op.output,
                inputs=op.inputs,
                origin=op.origin,
                kernel=op.kernel,
                stride=op.stride,
                pads=op.pads,
            )
        elif x is not None and isinstance(op, RealFlatten) and op.channels_last:
            moved = Flatten(output=op.output, inputs=op.inputs, origin=op.origin)
        elif x is not None and isinstance(op, RealConcat) and kinds[0].scale == kinds[1].scale:
            moved = Concat(output=op.output, inputs=op.inputs, origin=op.origin)
        if moved is not None and x is not None:
            self.put(moved, x.scale, max(k.error for k in kinds))
        else:
            self.put(op)

    def convolution(self, op: RealConv) -> bool:
        """Quantized weights on codes: an exact accumulator times a per-channel step.

        ``conv(s_a * (a + z), s_w * w) = s_a * s_w * (conv(a, w) + z * sum(w))``; positions outside
        the map are real zeros, which is the code ``-z``.  N2UQ has z = 0.
        """
        source, z = op.inputs[0], Fraction(0)
        kind, scale = self.codes(source), Fraction(1)
        shift = self.made.get(source)
        if kind is None and isinstance(shift, Affine) and self.codes(shift.inputs[0]) is not None:
            slope, offset = shift.slope[0].rational, shift.offset[0].rational
            same = all(v == shift.slope[0] for v in shift.slope) and all(
                v == shift.offset[0] for v in shift.offset
            )
            if not same or not slope or offset is None:
                return False
            source, kind = shift.inputs[0], self.codes(shift.inputs[0])
            assert kind is not None and kind.scale is not None
            scale, z = slope, offset / (slope * kind.scale)
            if any(op.pads) and z.denominator != 1:
                return False  # a real zero is no code
        if kind is None or kind.scale is None:
            return False
        weight = self.pool.all[op.weight].values
        accumulator = fresh(self.program.types, f"{op.output}.acc")
        most = int(np.abs(weight).reshape(len(weight), -1).sum(axis=1).max())
        self.put(
            Conv(
                output=accumulator,
                inputs=(source,),
                origin=op.origin,
                weight=op.weight,
                stride=op.stride,
                pads=op.pads,
                dilation=op.dilation,
                groups=op.groups,
                pad_value=int(-z) if any(op.pads) else 0,
            ),
            None,
            kind.error / kind.scale * most,
        )
        slopes = tuple(s * (kind.scale * scale) for s in op.step)
        sums = weight.reshape(len(weight), -1).sum(axis=1).tolist()
        self.put(
            Affine(
                output=op.output,
                inputs=(accumulator,),
                origin=op.origin,
                slope=slopes,
                offset=tuple(s * (z * total) for s, total in zip(slopes, sums, strict=True)),
            )
        )
        return True

    def lookup(self, op: RealLookup) -> None:
        """Codebook levels become a table in fixed point of the stem's width."""
        most = float(np.abs(floats(op.levels)).max()) or 1.0
        places = (self.options.stem_bits or OPERAND_BITS[0]) - 1 - int(np.frexp(most)[1])
        entries = [to_fixed(level, places) for level in op.levels]
        scale = Fraction(1, 2) ** places
        table = Constant.narrow([value for value, _ in entries])
        name = self.pool.add(f"{op.output}.levels", table)
        self.put(
            Lookup(output=op.output, inputs=op.inputs, origin=op.origin, table=ConstRef(name)),
            scale,
            Fraction(max(miss for _, miss in entries)),
        )


def integer_layers(program: Program, options: Options) -> Program:
    """Lower what reads codes: convolutions by quantized weights, maxima, joins, codebooks."""
    work = IntegerLayers(program, options)
    for op in program.ops:
        work.lower(op)
    return live(replace(program, ops=tuple(work.ops), types=work.types, constants=work.pool.all))
