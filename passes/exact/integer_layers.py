"""Convolutions, pooling and joins of codes as integer operations on the codes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..fixed_point.multipliers import short
from ..options import Options
from ..program import ConstRef, Op, Program
from ..program.exact import Surd
from ..program.operation import integer
from ..program.ops import Concat, Conv, Flatten, Lookup, MaxPool, Rearrange
from ..program.ops.real import (
    Affine,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
    RealRearrange,
)
from ..program.types import Constant, IntType, TensorType
from ..rewrite import ConstantPool, fresh, live
from .levels import integer_levels, integer_weight

ZERO = Surd.of(0)


class IntegerLayers:
    """The rewrite of one program."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self.producers = {op.output: op for op in program.ops}
        self.types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
        self.pool = ConstantPool(dict(program.constants))
        self.ops: list[Op] = []
        self.tables: dict[str, str] = {}  # of codes with an offset: their levels, by name

    def put(self, op: Op, scale: Fraction | None = None, error: Fraction = Fraction(0)) -> None:
        tensor_type = op.infer(self.types, self.pool.all)
        if isinstance(tensor_type, IntType) and not op.real:
            tensor_type = replace(tensor_type, scale=scale, error=short(error))
        self.types[op.output] = tensor_type
        self.ops.append(op)

    def codes(self, name: str) -> IntType | None:
        """Return the type of a tensor of integers with one scale; None for other tensors."""
        tensor_type = self.types[name]
        return (
            tensor_type
            if isinstance(tensor_type, IntType) and tensor_type.scale is not None
            else None
        )

    def lower(self, op: Op) -> None:
        if isinstance(op, RealConv) and (op.step or op.levels) and self.convolution(op):
            return
        if isinstance(op, RealLookup):
            self.lookup(op.output, op.inputs, op.origin, [v.rest for v in op.levels])
            return
        types = [self.codes(i) for i in op.inputs]
        kinds = [k for k in types if k is not None]
        x = kinds[0] if kinds and len(kinds) == len(types) else None
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
        elif x is not None and isinstance(op, RealRearrange):
            moved = Rearrange.of(op)
        elif x is not None and isinstance(op, RealConcat) and kinds[0].scale == kinds[1].scale:
            moved = Concat(output=op.output, inputs=op.inputs, origin=op.origin)
        if moved is not None and x is not None:
            self.put(moved, x.scale, max(k.error for k in kinds))
        else:
            self.put(op)

    def convolution(self, op: RealConv) -> bool:
        """Lower a convolution of codes by quantized weights: exact accumulators times steps.

        ``conv(s_a * (a + z), s_w * w) = s_a * s_w * (conv(a, w) + z * sum(w))``; positions outside
        the map are real zeros, the code ``-z``. N2UQ has z = 0. Levels of codes or weights that are
        not integers times a step leave an error.
        """
        source_of_codes = self.source(op)
        if source_of_codes is None:
            return False
        source, scale, z = source_of_codes
        tensor_type = integer(source, self.types[source])
        unit = tensor_type.scale or Fraction(1)
        weight = integer_weight(op, self.pool.all, self.options)
        name = op.weight
        if not op.step:
            name = ConstRef(
                self.pool.add(f"{op.output}.weight.levels", Constant.narrow(weight.values))
            )
        accumulator, miss = fresh(self.program.types, f"{op.output}.acc"), max(weight.miss)
        self.put(
            Conv(
                output=accumulator,
                inputs=(source,),
                origin=op.origin,
                weight=name,
                stride=op.stride,
                pads=op.pads,
                dilation=op.dilation,
                groups=op.groups,
                pad_value=int(-z) if any(op.pads) else 0,
                levels=weight.levels,
            ),
            None,
            tensor_type.error / abs(unit) * (weight.most + miss)
            + max(abs(tensor_type.lo + z), abs(tensor_type.hi + z)) * miss,
        )
        slopes = tuple(s * (unit * scale) for s in weight.step)
        sums = weight.values.reshape(len(slopes), -1).sum(axis=1).tolist()
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

    def source(self, op: RealConv) -> tuple[str, Fraction, Fraction] | None:
        """Return the codes that a convolution reads: their name, a factor, and the zero point z.

        None if it reads other tensors, or codes whose scale differs by channel.
        """
        name = op.inputs[0]
        if self.codes(name) is not None:
            return name, Fraction(1), Fraction(0)
        shift = self.producers.get(name)
        codes = self.codes(shift.inputs[0]) if isinstance(shift, Affine) else None
        if not isinstance(shift, Affine) or codes is None or codes.scale is None:
            return None
        slope, offset = shift.slope[0].rational, shift.offset[0].rational
        same = all(v == shift.slope[0] for v in shift.slope) and all(
            v == shift.offset[0] for v in shift.offset
        )
        if not same or not slope or offset is None:
            return None
        z = offset / (slope * codes.scale)
        if not any(op.pads) or z.denominator == 1:
            return shift.inputs[0], slope, z
        # Padding is a real zero, which is no code here.
        levels = self.tables.get(name)
        if levels is None:
            levels = self.tables[name] = fresh(self.program.types, f"{name}.levels")
            values = [slope * codes.scale * k + offset for k in range(codes.hi + 1)]
            self.lookup(levels, shift.inputs, shift.origin, values)
        return levels, Fraction(1), Fraction(0)

    def lookup(
        self, name: str, inputs: tuple[str, ...], origin: tuple[str, ...], values: list[Fraction]
    ) -> None:
        """Emit a lookup of nonuniform levels as integers times one scale."""
        levels = integer_levels(values, self.options.code_level_bits)
        table = ConstRef(self.pool.add(f"{name}.levels", Constant.narrow(list(levels.numbers))))
        self.put(
            Lookup(output=name, inputs=inputs, origin=origin, table=table),
            levels.step,
            levels.miss,
        )


def integer_layers(program: Program, options: Options) -> Program:
    """Lower the operations that read codes: quantized convolutions, maxima, joins, codebooks."""
    work = IntegerLayers(program, options)
    for op in program.ops:
        work.lower(op)
    return live(replace(program, ops=tuple(work.ops), types=work.types, constants=work.pool.all))
