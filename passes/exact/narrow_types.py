"""The narrowest width of every tensor."""

from __future__ import annotations

from dataclasses import replace

from ..program import Program
from ..program.ops import Thresholds
from ..program.types import TensorType


def narrow_types(program: Program) -> Program:
    """Narrow ranges and widths to the values that the actual weights and tables can give.

    Accumulators get the fewest bits that never overflow (FINN-R, TRETS 2018; here by channel, with
    the codes that each table can give). Codes keep the quantizer's width.
    """
    types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
    for op in program.ops:
        old = program.int_type(op.output)
        new = op.infer_integer(types, program.constants)
        kept = old if isinstance(op, Thresholds) else new
        types[op.output] = replace(kept, scale=old.scale, error=old.error, rows=new.rows)
    return replace(program, types=types, plan=None)
