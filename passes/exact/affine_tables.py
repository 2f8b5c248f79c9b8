"""Comparison tables that a multiplier and a shift can replace exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..program import ConstRef, Op, Program
from ..program.ops import Requantize, Thresholds
from ..program.ranges import channel_ranges
from ..program.types import Constant
from ..rewrite import ConstantPool, live

FEWEST_STEPS = 7
"""Fewest steps of a table that is replaced.

On a processor a step is a vector comparison and a subtraction of the accumulator's width (6
instructions for 2-bit codes), and a requantization is a multiplication, addition, rounding shift
and two clamps, often in 64 bits (about 10 instructions). In a datapath a step is a comparator of
LUTs, and a requantization a multiplier. So 2-bit tables (3 steps) remain comparisons, and uniform
tables of 3 bits (7 steps) or more become multiplications. Tables of learned thresholds are not
uniform and remain comparisons at every width.
"""
_SHIFTS = range(48)


def fit(bounds: list[int], lo: int, hi: int) -> tuple[int, int, int] | None:
    """Return ``(multiplier, bias, shift)`` of a clamped
    requantization that equals ``#{k : v > bounds[k]}``.

    Args:
        bounds: ascending, one per step of the code, from code 0; bounds outside ``[lo, hi)`` are
            passed always or never.
        lo, hi: reachable values.

    Returns:
        The constants, or None if no multiplier below 2**31, with products that 64 bits hold, gives
        the code of every integer in ``[lo, hi]``.
    """
    inside = [(k, a) for k, a in enumerate(bounds) if lo <= a < hi]
    always = sum(a < lo for a in bounds)
    runs = _runs([a for _, a in inside])
    for shift in _SHIFTS:
        unit = 1 << shift
        low, high = _slopes(runs, unit)
        if low > high:
            continue
        for m in sorted({low, (low + high) // 2, high}):
            # The code is k+1 or more where v * m + bias >= goal; rounding to nearest subtracts
            # half.
            def goal(k: int, unit: int = unit) -> int:
                return (k + 1) * unit - unit // 2

            least = [goal(k) - (a + 1) * m for k, a in inside]
            most = [goal(k) - 1 - a * m for k, a in inside]
            if always:
                least.append(goal(always - 1) - lo * m)
            if always + len(inside) < len(bounds):
                most.append(goal(always + len(inside)) - 1 - hi * m)
            first = max(least, default=min(most, default=0))
            reach = max(abs(first), abs(lo * m + first), abs(hi * m + first)) + unit
            if first <= min(most, default=first) and reach < 2**63:
                return m, first, shift
    return None


def _runs(bounds: list[int]) -> list[tuple[int, int]]:
    """Return the shortest and longest run of integers over which the code rises by 1, by 2, ..."""
    a = np.array(bounds, dtype=np.int64)
    apart = (a[d:] - a[:-d] for d in range(1, len(a)))
    return [(int(runs.min()), int(runs.max())) for runs in apart]


def _slopes(runs: list[tuple[int, int]], unit: int) -> tuple[int, int]:
    """Return the range of multipliers that all pairs of bounds allow."""
    low, high = 1, 2**31 - 1
    for rise, (shortest, longest) in enumerate(runs, 1):
        low = max(low, rise * unit // (shortest + 1) + 1)
        if longest > 1:
            high = min(high, -(-rise * unit // (longest - 1)) - 1)
    return low, high


def affine_tables(program: Program) -> Program:
    """Replace a table by a requantization if all reachable codes of all channels are equal."""
    ranges = channel_ranges(program)
    pool = ConstantPool(dict(program.constants))
    ops: list[Op] = []
    notes: list[str] = []
    for op in program.ops:
        replacement = (
            _requantization(op, program, ranges, pool) if isinstance(op, Thresholds) else None
        )
        if replacement is not None:
            notes.append(f"the thresholds of {op.output} are evenly spaced: multiplier and shift")
        ops.append(replacement or op)
    return (
        live(replace(program, ops=tuple(ops), constants=pool.all, notes=(*program.notes, *notes)))
        if notes
        else program
    )


def _fit_channel(
    lo: int, hi: int, bounds: list[int], signs: list[int], base: int, *, top: int
) -> tuple[int, int, int] | None:
    """Apply ``fit`` to a channel of a table that rises or falls; return None if it does both."""
    fired = [(a, sign) for a, sign in zip(bounds, signs, strict=True) if a < hi]
    steps = [a for a, _ in fired]
    if all(sign > 0 for _, sign in fired):
        steps = [lo - 1] * base + steps
        return fit(steps + [hi] * (top - len(steps)), lo, hi)
    if any(sign > 0 for _, sign in fired):
        return None
    # A falling code rises with -v, and v <= bound is -v > -bound - 1.
    steps = [-hi - 1] * (base - len(steps)) + [-a - 1 for a in reversed(steps)]
    mirrored = fit(steps + [-lo] * (top - len(steps)), -hi, -lo)
    return None if mirrored is None else (-mirrored[0], *mirrored[1:])


def _requantization(
    op: Thresholds,
    program: Program,
    ranges: dict[str, tuple[np.ndarray, np.ndarray]],
    pool: ConstantPool,
) -> Requantize | None:
    bounds, signs = (program.constants[n].values for n in (op.bounds, op.signs))
    if bounds.shape[1] < FEWEST_STEPS:
        return None
    base = program.constants[op.base].values.tolist()
    rows = zip(*(r.tolist() for r in (*ranges[op.inputs[0]], bounds, signs)), base, strict=True)
    constants = []
    for row in rows:
        channel = _fit_channel(*row, top=(1 << op.bits) - 1)
        if channel is None:
            return None
        constants.append(channel)
    m, b, s = zip(*constants, strict=True)
    return Requantize(
        output=op.output,
        inputs=op.inputs,
        origin=op.origin,
        lo=0,
        hi=(1 << op.bits) - 1,
        multiplier=ConstRef(pool.add(f"{op.output}.multiplier", Constant.narrow(list(m)))),
        bias=ConstRef(pool.add(f"{op.output}.bias", Constant.narrow(list(b)))),
        shift=ConstRef(pool.add(f"{op.output}.shift", Constant.narrow(list(s)))),
    )
