"""Proven ranges of channels, derived from a program."""

from __future__ import annotations

from .base import Program
from .types import IntArray, IntType, TensorType


def channel_ranges(program: Program) -> dict[str, tuple[IntArray, IntArray]]:
    """Least and greatest integer of each channel of each integer tensor, int64 (C,) each.

    Interval arithmetic forward from the input; exact worst case within each operation.
    """
    known: dict[str, TensorType] = {program.input: program.types[program.input]}
    for op in program.ops:
        declared = program.types[op.output]
        inferred = op.infer(known, program.constants)
        known[op.output] = (
            declared.with_rows_of(inferred) if isinstance(declared, IntType) else declared
        )
    return {n: kind.channel_rows for n, kind in known.items() if isinstance(kind, IntType)}
