"""Convolutions and pooling of codes become integer operations on the codes themselves."""

from __future__ import annotations

from dataclasses import replace

from .program.base import Op, Program
from .program.exact import Surd
from .program.ops import Conv, MaxPool
from .program.ops.flatten import Flatten
from .program.ops.real import Affine, RealConv, RealFlatten, RealMaxPool
from .program.types import IntType, TensorType


def integer_layers(program: Program) -> Program:
    """Quantized weights on codes: an exact integer accumulator times a per-channel step.

    ``conv(s_a * a, s_w[c] * w) = s_a * s_w[c] * conv(a, w)``, because code 0 is value 0 and so
    zero padding is code 0.  Pooling and flattening of codes commute with their scale.
    """
    types: dict[str, TensorType] = {program.input: program.types[program.input]}
    ops: list[Op] = []

    def put(op: Op, like: IntType | None = None) -> None:
        kind = op.infer(types, program.constants)
        if like is not None:
            assert isinstance(kind, IntType)
            kind = replace(kind, scale=like.scale, bits=like.bits, signed=like.signed)
        types[op.output] = kind
        ops.append(op)

    for op in program.ops:
        x = types[op.inputs[0]]
        codes = isinstance(x, IntType) and x.scale is not None and x.lo == 0
        if isinstance(op, RealConv) and op.step and codes:
            assert isinstance(x, IntType) and x.scale is not None
            accumulator = f"{op.output}.acc"
            put(Conv(
                output=accumulator, inputs=op.inputs, origin=op.origin, weight=op.weight,
                stride=op.stride, pads=op.pads, dilation=op.dilation, groups=op.groups,
            ))
            put(Affine(
                output=op.output, inputs=(accumulator,), origin=op.origin,
                slope=tuple(s * x.scale for s in op.step), offset=(Surd.of(0),) * len(op.step),
            ))
        elif isinstance(op, RealMaxPool) and codes:
            assert isinstance(x, IntType)
            put(MaxPool(output=op.output, inputs=op.inputs, origin=op.origin, kernel=op.kernel,
                        stride=op.stride, pads=op.pads), x)
        elif isinstance(op, RealFlatten) and op.channels_last and codes:
            assert isinstance(x, IntType)
            put(Flatten(output=op.output, inputs=op.inputs, origin=op.origin), x)
        else:
            put(op)
    return replace(program, ops=tuple(ops), types=types)
