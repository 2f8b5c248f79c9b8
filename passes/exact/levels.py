"""Nonuniform levels as integers times one exact step.

Commensurable levels, such as sums of powers of two (APoT, Li et al., ICLR 2020), become small
integers, which are exact up to the rounding of the float32 arithmetic that computed the levels.
Others (LQ-Nets, Zhang et al., ECCV 2018; LCQ, Yamamoto, CVPR 2021) become the smallest integers
that are as accurate as rounding to a given width. The remaining error is bounded and returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from ..options import Options
from ..program.exact import Surd
from ..program.ops.real import RealConv, Row
from ..program.types import Constant, IntArray

_SMALL = 127
"""Largest integer that counts as small: a byte with its sign."""
_NEAR = 2.0**-21
"""Error relative to the largest level that is lost among float32's own: a few roundings."""
_SEARCHED = (1 << 15) - 1
"""Processors multiply 16 bits at a time by instructions of their own."""
_MOST_FREE = 2  # levels besides the largest; with so few, small integers fit by chance
_PIECE = 4096


@dataclass(frozen=True)
class Levels:
    """Levels as integers: ``level[k]`` is ``numbers[k] * step``, up to ``miss``.

    Attributes:
        numbers: one integer per level; the one of the largest magnitude is exact.
        step: real value of the integer 1.
        miss: bound on ``|level - number * step|``; 0 if all are exact.
    """

    numbers: tuple[int, ...]
    step: Fraction
    miss: Fraction


def integer_levels(values: Sequence[Fraction], bits: int) -> Levels:
    """Find the smallest integers that represent levels.

    Args:
        values: the levels; 0 is the integer 0.
        bits: width to which incommensurable levels are rounded; unsigned if no level is negative,
            else two's complement.
    """
    greatest = max(map(abs, values))
    if not greatest:
        return Levels((0,) * len(values), Fraction(1), Fraction(0))
    widest = (1 << (bits - any(v < 0 for v in values))) - 1
    ratios = np.array([float(v / greatest) for v in values])
    top = _top(np.unique(np.abs(ratios)), widest)
    step = greatest / top
    numbers = tuple(round(v / step) for v in values)
    miss = max(abs(v - n * step) for v, n in zip(values, numbers, strict=True))
    return Levels(numbers, step, miss)


def joint_levels(rows: Sequence[Sequence[Fraction]], bits: int) -> list[Levels]:
    """Find integers for the levels of several tensors, times one step for all.

    Codes of two quantizers are multiples of two steps; if a step of which both are multiples is
    found, up to float32's own rounding, levels stay evenly spaced.

    Args:
        rows: the levels of each tensor.
        bits: as `integer_levels` takes it.
    """
    together = [v for row in rows for v in row]
    found = integer_levels(together, bits)
    units = [_unit(row) for row in rows]
    greatest = max(units)
    if greatest:
        ratios = np.array([float(u / greatest) for u in units])
        limit = min(ceil(greatest / found.step) - 1, _SEARCHED)  # beyond it, numbers are larger
        top = _first(np.unique(ratios[ratios > 0]), 1, limit, _NEAR) if limit > 0 else None
        if top is not None:
            found = replace(found, step=greatest / top)
    result = []
    for row in rows:
        numbers = tuple(round(v / found.step) for v in row)
        miss = max(abs(v - n * found.step) for v, n in zip(row, numbers, strict=True))
        result.append(Levels(numbers, found.step, miss))
    return result


def _unit(values: Sequence[Fraction]) -> Fraction:
    """Return the largest number of which all values are multiples; 0 if all are 0."""
    unit = Fraction(0)
    for value in values:
        below = unit.denominator * value.denominator
        above = gcd(unit.numerator * value.denominator, value.numerator * unit.denominator)
        unit = Fraction(above, below)
    return unit


def _top(ratios: NDArray[np.float64], widest: int) -> int:
    """Return the integer for the largest level."""
    small = _first(ratios, 1, _SMALL, _NEAR)
    if small is not None:
        return small
    free = ratios[(ratios > 0) & (ratios < 1)]
    if len(free) <= _MOST_FREE:
        near = max(_NEAR, 0.5 / widest)
        last = min(widest, _SEARCHED)
        for start in range(1, last, _PIECE):
            number = _first(free, start, min(start + _PIECE - 1, last), near)
            if number is not None:
                return number
    return widest


def _first(ratios: NDArray[np.float64], start: int, end: int, near: float) -> int | None:
    """Return the least integer of a range, ends included, whose products with ratios are whole."""
    tops = np.arange(start, end + 1, dtype=np.float64)
    parts = np.multiply.outer(tops, ratios)
    fits = (np.abs(parts - np.rint(parts)) <= near * tops[:, None]).all(axis=1)
    return start + int(np.argmax(fits)) if fits.any() else None


@dataclass(frozen=True)
class IntegerWeight:
    """Weights of a convolution as integers: ``real[o] = values[o] * step[o]``, up to ``miss``.

    Attributes:
        values: int64 (O, KH, KW, I).
        step: step of each output channel.
        miss: for each output channel, bound on the sum of ``|real / step - values|``.
        levels: bits of a weight's code if fewer values occur than integers of that width, else 0
            (see ``Conv``).
    """

    values: IntArray
    step: Row
    miss: tuple[Fraction, ...]
    levels: int

    @property
    def most(self) -> int:
        """The largest sum of magnitudes of an output channel."""
        return int(np.abs(self.values).reshape(len(self.values), -1).sum(axis=1).max())


def integer_weight(
    op: RealConv, constants: Mapping[str, Constant], options: Options
) -> IntegerWeight:
    """Return the integers of a convolution's quantized weights.

    Args:
        op: a convolution with a step or levels.
        constants: constants of its program.
        options: the options, with the width of levels.
    """
    constant = constants[op.weight]
    values = constant.values
    if op.step:
        needed = (len(np.unique(values)) - 1).bit_length()
        levels = needed if 0 < needed < constant.bits else 0
        return IntegerWeight(values, op.step, (Fraction(0),) * len(values), levels)
    flat = values.reshape(len(values), -1)
    integers = np.empty(flat.shape, np.int64)
    bits = options.weight_level_bits(flat.shape[1])
    steps, misses = [], []
    known: dict[bytes, Levels] = {}
    for row, real in enumerate(flat):
        distinct, codes, count = np.unique(real, return_inverse=True, return_counts=True)
        key = distinct.tobytes()
        if key not in known:
            known[key] = integer_levels([Fraction(float(v)) for v in distinct], bits)
        row_levels = known[key]
        integers[row] = np.array(row_levels.numbers, np.int64)[codes.reshape(-1)]
        off = (
            abs(Fraction(float(v)) - n * row_levels.step) * int(c)
            for v, n, c in zip(distinct, row_levels.numbers, count, strict=True)
        )
        steps.append(Surd.of(row_levels.step))
        misses.append(sum(off, Fraction(0)) / row_levels.step)
    return IntegerWeight(integers.reshape(values.shape), tuple(steps), tuple(misses), op.levels)
