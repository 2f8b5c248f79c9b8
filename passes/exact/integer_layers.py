"""Convolutions, pooling and joins of codes as integer operations on the codes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..options import Options
from ..program import ConstRef, Op, Program
from ..program.operation import integer
from ..program.ops import Concat, Conv
from ..program.ops.movements import moved_integers
from ..program.ops.real import (
    Affine,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
    RealRearrange,
)
from ..program.types import Constant
from ..rewrite import fresh, live
from .code_forms import CodeForms
from .levels import integer_levels, integer_weight


class IntegerLayers(CodeForms):
    """The rewrite of one program."""

    def lower(self, op: Op) -> None:
        if isinstance(op, RealConv) and (op.step or op.levels) and self.convolution(op):
            return
        if isinstance(op, RealLookup):
            levels = integer_levels([v.rest for v in op.levels], self.options.code_level_bits)
            self.lookup(op.output, op.inputs[0], op.origin, levels)
            return
        types = [self.codes(i) for i in op.inputs]
        kinds = [k for k in types if k is not None]
        x = kinds[0] if kinds and len(kinds) == len(types) else None
        moved: Op | None = None
        rising = x is not None and x.scale is not None and x.scale > 0
        if x is not None and (
            (isinstance(op, RealMaxPool) and rising)
            or (isinstance(op, RealFlatten) and op.channels_last)
            or isinstance(op, RealRearrange)
        ):
            moved = moved_integers(op)
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

        None if it reads other tensors, codes whose scale differs by channel, or codes so far from 0
        that no integer stands outside the map.
        """
        name = op.inputs[0]
        form = self.form(name)
        if form is None:
            return None
        tensor_type = integer(form.codes, self.types[form.codes])
        z = form.offset / form.slope
        if any(op.pads) and abs(z) >= Conv.farthest_pad:
            return None
        if not any(op.pads) or z.denominator == 1:
            return form.codes, form.slope / (tensor_type.scale or 1), z
        # Padding is a real zero, which is no code here.
        if tensor_type.lo < 0:
            return None
        if name not in self.tables:
            levels = integer_levels(form.values(tensor_type), self.options.code_level_bits)
            self.tables[name] = self.name(f"{name}.levels")
            origin = self.producers[name].origin
            self.lookup(self.tables[name], form.codes, origin, levels)
        return self.tables[name], Fraction(1), Fraction(0)


def integer_layers(program: Program, options: Options) -> Program:
    """Lower the operations that read codes: quantized convolutions, maxima, joins, codebooks."""
    work = IntegerLayers(program, options)
    for op in program.ops:
        work.lower(op)
        if isinstance(op, Affine | RealMaxPool | RealRearrange | RealFlatten):
            work.form(op.output)  # in order: long chains would be followed too deep otherwise
    return live(replace(program, ops=tuple(work.ops), types=work.types, constants=work.pool.all))
