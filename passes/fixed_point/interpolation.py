"""Functions of fixed-point tensors as integer operations."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..program.ops import Add, Interpolate
from ..program.ops.real import RealFunction
from ..program.types import Constant
from .curves import Curve, IntegerFunction, OuterPart, moved_by
from .lowering import Lowering
from .pieces import MOST_STEPS, Pieces, chords, chosen, fraction_bits, missed, steep_part

MOST_PIECES = 8192
WANTED = 2.0**-15
"""What pieces may miss where a tensor's unit is finer; half of it for each bit more than usual."""

_OPERAND_BITS = 31
_MOST_TABLES = 3


def interpolated(low: Lowering, op: RealFunction, scale: Fraction) -> None:
    """Emit a function of a fixed-point tensor with a scale.

    Where few pieces miss much, as near a root's 0, that part gets a finer table of its own, whose
    result is added.

    Raises:
        ValueError: it is not defined, or not bounded, for some value; or too steep.
    """
    x = low.narrowed(op.inputs[0], _OPERAND_BITS)
    tensor_type = low.int_type(x)
    assert tensor_type.scale is not None
    curve = Curve(
        op,
        tensor_type.scale,
        tensor_type.lo,
        tensor_type.hi,
        float(tensor_type.error / tensor_type.unit),
        *low.formats.side_of_zero(op.inputs[0]),
    )
    error = moved_by(curve, tensor_type.error)
    wanted = max(float(scale) / 4, WANTED * 2.0**-low.options.extra_bits)
    pieces = chosen(curve, wanted, MOST_PIECES)
    parts: list[tuple[IntegerFunction, Pieces]] = []
    while len(parts) < _MOST_TABLES - 1 and (part := steep_part(curve, pieces, wanted)):
        outside = OuterPart(curve, part)
        parts.append((outside, chords(outside, pieces.start, pieces.step, len(pieces.base))))
        curve = curve.between(*part)
        pieces = chosen(curve, wanted, MOST_PIECES, part)
    if not parts:
        low.put(*_table(low, op, op.output, x, curve, pieces, scale, error))
        return
    total = ""
    for function, lines in (*parts, (curve, pieces)):
        name = low.fresh(f"{op.output}.part")
        table, _, missing = _table(low, op, name, x, function, lines, scale, Fraction(0))
        low.put(table, scale, missing)
        error += missing
        if total:
            last = function is curve
            add = low.fresh(f"{op.output}.sum") if not last else op.output
            low.put(Add(output=add, inputs=(total, name), origin=op.origin), scale, error)
            name = add
        total = name


def _table(
    low: Lowering,
    op: RealFunction,
    name: str,
    x: str,
    curve: IntegerFunction,
    pieces: Pieces,
    scale: Fraction,
    error: Fraction,
) -> tuple[Interpolate, Fraction, Fraction]:
    """Return a table of straight pieces, its scale, and an error with what it misses added."""
    steepest = float(scale) * 2.0**MOST_STEPS  # what is steeper misses more, as its bound says
    pieces = replace(pieces, slope=np.clip(pieces.slope, -steepest, steepest))
    shift = fraction_bits(pieces, float(scale))
    base, slope = (np.rint(np.ldexp(v / float(scale), shift)) for v in (pieces.base, pieces.slope))
    held = Pieces(
        pieces.start, pieces.step, *(np.ldexp(v, -shift) * float(scale) for v in (base, slope))
    )
    below, above = missed(curve, held)
    # A line in the middle of what it misses misses half as much.
    base = base + np.rint(np.ldexp((below + above) / 2 / float(scale), shift))
    held = Pieces(held.start, held.step, np.ldexp(base, -shift) * float(scale), held.slope)
    below, above = missed(curve, held)
    miss = Fraction(float(max(np.abs(below).max(), np.abs(above).max())))
    tables = (Constant.narrow(v.T.astype(np.int64)) for v in (base, slope))
    table = Interpolate(
        output=name,
        inputs=(x,),
        origin=op.origin,
        base=low.const(f"{name}.base", next(tables)),
        slope=low.const(f"{name}.slope", next(tables)),
        start=held.start,
        step=held.step,
        shift=shift,
    )
    return table, scale, error + miss + (scale / 2 if shift else 0)
