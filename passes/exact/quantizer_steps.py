"""Scales and offsets after quantizers: a scale becomes part of the step,
an offset moves after pooling.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..program import Op, Program
from ..program.exact import Surd
from ..program.ops.real import Affine, Quantize, RealFlatten, RealMaxPool
from ..program.types import TensorType
from ..rewrite import fresh, live
from .merge_affine import merge_affine

_ONE = Surd.of(1)


def quantizer_steps(program: Program) -> Program:
    """Multiply the steps of quantizers by the scales that follow, and move offsets after pooling.

    Training code computes a quantizer's value in parts, as ``(code + low) / n * alpha``. After this
    pass the codes are visible as integers times one exact number.
    """
    program = merge_affine(program)
    return _behind_pools(_scaled(program))


def _uniform(op: Affine) -> tuple[Fraction, Fraction] | None:
    """Return slope and offset if they are rationals, the same for all channels, and slope > 0."""
    slope, offset = op.slope[0].rational, op.offset[0].rational
    if slope is None or offset is None or slope <= 0:
        return None
    same = all(s == op.slope[0] for s in op.slope) and all(o == op.offset[0] for o in op.offset)
    return (slope, offset) if same else None


def _scaled(program: Program) -> Program:
    readers = program.consumers()
    producers: dict[str, Op] = {}
    renamed: dict[str, str] = {}
    for op in program.ops:
        op = replace(op, inputs=tuple(renamed.get(name, name) for name in op.inputs))
        quantizer = producers.get(op.inputs[0]) if op.inputs else None
        if (
            isinstance(op, Affine)
            and isinstance(quantizer, Quantize)
            and len(readers[quantizer.output]) == 1
            and (factors := _uniform(op)) is not None
        ):
            slope, offset = factors
            producers[quantizer.output] = replace(quantizer, step=quantizer.step * Surd.of(slope))
            if not offset:
                renamed[op.output] = quantizer.output
                continue
            op = replace(op, slope=(_ONE,) * len(op.slope))
        producers[op.output] = op
    outputs = tuple(renamed.get(name, name) for name in program.outputs)
    return _retyped(replace(program, ops=tuple(producers.values()), outputs=outputs))


def _behind_pools(program: Program) -> Program:
    """Move offsets after pools and flattening, so that these read codes: max(a + o)
    = max(a) + o.
    """
    producers: dict[str, Op] = {}
    codes = {op.output for op in program.ops if isinstance(op, Quantize)}
    for op in program.ops:
        shift = producers.get(op.inputs[0]) if op.inputs else None
        if (
            isinstance(op, RealMaxPool | RealFlatten)
            and isinstance(shift, Affine)
            and shift.inputs[0] in codes
            and _uniform(shift) is not None
        ):
            name = fresh(program.types, f"{op.output}.codes")
            moved = replace(op, output=name, inputs=shift.inputs)
            producers[moved.output] = moved
            codes.add(moved.output)
            channels = program.types[op.output].shape[2]
            rows = (shift.slope[0],) * channels, (shift.offset[0],) * channels
            op = replace(
                shift, output=op.output, inputs=(moved.output,), slope=rows[0], offset=rows[1]
            )
        elif isinstance(op, RealMaxPool | RealFlatten) and op.inputs[0] in codes:
            codes.add(op.output)
        producers[op.output] = op
    return _retyped(live(replace(program, ops=tuple(producers.values()))))


def _retyped(program: Program) -> Program:
    types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
    for op in program.ops:
        types[op.output] = op.infer(types, program.constants)
    return replace(program, types=types)
