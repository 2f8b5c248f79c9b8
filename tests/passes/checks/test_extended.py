"""The proof's own interval arithmetic: bounds hold the values, and are near them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from n2uqc.passes.checks.extended import LongInterval

ENDS = [-3.0, -0.5, -(2.0**-30), 0.0, 0.25, 1.0, 7.0]
SOME = list(combinations_with_replacement(ENDS, 2))


def interval(ends: tuple[float, float]) -> LongInterval:
    return LongInterval(*(np.array([end], np.longdouble) for end in ends))


def exact(value: np.ndarray) -> Fraction:
    """A longdouble as the sum of two float64 numbers."""
    high = float(value[0])
    return Fraction(high) + Fraction(float(value[0] - np.longdouble(high)))


def check(found: LongInterval, values: list[Fraction]) -> None:
    lo, hi = exact(found.lo), exact(found.hi)
    least, most = min(values), max(values)
    reserve = Fraction(1, 2**48) * max(abs(least), abs(most))
    assert least - reserve <= lo <= least <= most <= hi <= most + reserve


@pytest.mark.parametrize(
    ("f", "of"),
    [
        (operator.add, operator.add),
        (operator.sub, operator.sub),
        (operator.mul, operator.mul),
        (LongInterval.larger, max),
        (LongInterval.smaller, min),
    ],
)
def test_two_operands(
    f: Callable[[LongInterval, LongInterval], LongInterval],
    of: Callable[[Fraction, Fraction], Fraction],
) -> None:
    """All these take their least and greatest values at ends."""
    for a, b in product(SOME, SOME):
        found = f(interval(a), interval(b))
        check(found, [of(Fraction(p), Fraction(q)) for p in a for q in b])


def test_one_operand() -> None:
    for ends in SOME:
        check(-interval(ends), [-Fraction(v) for v in ends])
        with np.errstate(all="ignore"):
            inverse = interval(ends).inverse()
        if ends[0] <= 0 <= ends[1]:
            assert (inverse.lo[0], inverse.hi[0]) == (-np.inf, np.inf)
        else:
            check(inverse, [1 / Fraction(v) for v in ends])


def test_zero_times_anything_is_zero() -> None:
    every = LongInterval(*(np.array([v], np.longdouble) for v in (-np.inf, np.inf)))
    none = interval((0.0, 0.0))
    with np.errstate(all="ignore"):
        for found in (none * every, every * none):
            assert (found.lo[0], found.hi[0]) == (0, 0)
        found = every + interval((1.0, 2.0))
    assert (found.lo[0], found.hi[0]) == (-np.inf, np.inf)
