"""The proof's own interval arithmetic: bounds hold the values, and are near them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from n2uqc.frontend.expression import parse
from n2uqc.passes.checks.extended import BoundedArithmetic, LongInterval, nearest

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


def whole(text: str, ends: tuple[float, float]) -> tuple[float, float]:
    """Bounds of an expression over an interval."""
    with np.errstate(all="ignore"):
        found = parse(text).evaluate(BoundedArithmetic(), interval(ends), [])
    return float(found.lo[0]), float(found.hi[0])


EVERY = (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("text", "ends", "want"),
    [
        ("log(x)", (0.0, 1.0), EVERY),
        ("log(x)", (-1.0, 1.0), EVERY),
        ("log(x)", (2.0**-30, 1.0), (-30 * math.log(2), 0.0)),
        ("sqrt(x)", (0.0, 4.0), (0.0, 2.0)),
        ("sqrt(x)", (-(2.0**-30), 4.0), EVERY),
        ("pow(x,3/2)", (0.0, 4.0), (0.0, 8.0)),
        ("pow(x,1/3)", (-1.0, 8.0), EVERY),
        ("pow(x,-1/2)", (4.0, 16.0), (0.25, 0.5)),
        ("pow(x,2)", (-3.0, 2.0), (0.0, 9.0)),
        ("pow(x,2)", (-3.0, -2.0), (4.0, 9.0)),
        ("pow(x,2)", (2.0, 3.0), (4.0, 9.0)),
        ("pow(x,3)", (-2.0, 3.0), (-8.0, 27.0)),
        ("pow(x,-2)", (-1.0, 2.0), EVERY),
        ("pow(x,-3)", (-2.0, -1.0), (-1.0, -0.125)),
        ("abs(x)", (-3.0, -2.0), (2.0, 3.0)),
        ("div(1,x)", (2.0, 4.0), (0.25, 0.5)),
        ("div(x,x)", (0.0, 1.0), EVERY),
        ("min(x,1)", (0.0, 3.0), (0.0, 1.0)),
        ("max(x,1)", (0.0, 3.0), (1.0, 3.0)),
        ("sub(x,1/3)", (1.0, 2.0), (2 / 3, 5 / 3)),
        ("mul(pi,x)", (1.0, 2.0), (math.pi, 2 * math.pi)),
        ("above(x,1,5,7)", (1.0, 1.0), (7.0, 7.0)),
        ("above(x,1,5,7)", (1.0, 2.0), (5.0, 7.0)),
        ("above(x,1,7,5)", (0.0, 2.0), (5.0, 7.0)),
        ("above(x,1,5,7)", (1.5, 2.0), (5.0, 5.0)),
        ("erfc(x)", (-0.5, 1.0), (math.erfc(1.0), math.erfc(-0.5))),
        ("erf(x)", (-0.5, 2.0), (math.erf(-0.5), math.erf(2.0))),
        ("erf(x)", (0.0, 2.0**-600), (0.0, 2.0**-599 / math.sqrt(math.pi))),
        ("exp(x)", (-1.0, 2.0), (math.exp(-1), math.exp(2))),
        ("expm1(x)", (-1.0, 2.0), (math.expm1(-1), math.expm1(2))),
        ("tanh(x)", (-1.0, 2.0), (math.tanh(-1), math.tanh(2))),
        ("tanh(x)", (-2.0, -1.0), (math.tanh(-2), math.tanh(-1))),
        ("atan(x)", (-1.0, 2.0), (math.atan(-1), math.atan(2))),
        ("sigmoid(x)", (-1.0, 2.0), (1 / (1 + math.e), 1 / (1 + math.exp(-2)))),
        ("softplus(x)", (-1.0, 2.0), (math.log1p(math.exp(-1)), math.log1p(math.exp(2)))),
        ("sin(x)", (0.5, 1.0), (math.sin(0.5), math.sin(1.0))),
        ("sin(x)", (1.0, 2.0), (math.sin(1.0), 1.0)),
        ("sin(x)", (4.0, 5.0), (-1.0, math.sin(4.0))),
        ("sin(x)", (1.0, 5.0), (-1.0, 1.0)),
        ("cos(x)", (-0.5, 1.0), (math.cos(1.0), 1.0)),
        ("cos(x)", (3.0, 4.0), (-1.0, math.cos(4.0))),
        ("cos(x)", (1.0, 3.0), (math.cos(3.0), math.cos(1.0))),
        ("cos(x)", (-4.0, -3.0), (-1.0, math.cos(4.0))),
        ("cos(x)", (0.0, 2.0**60), (-1.0, 1.0)),
    ],
)
def test_expressions(text: str, ends: tuple[float, float], want: tuple[float, float]) -> None:
    """Bounds hold the values, which ``math`` gives, and are near them."""
    lo, hi = whole(text, ends)
    if want == EVERY:
        assert (lo, hi) == EVERY
        return
    np.testing.assert_allclose((lo, hi), want, rtol=2.0**-36)
    slack = [2.0**-50 * abs(v) for v in want]
    assert lo <= want[0] + slack[0] and want[1] - slack[1] <= hi


def test_results_beyond_float64() -> None:
    """What is too small or too large for a number is still no zero and not infinite."""
    lo, hi = (interval((2.0**-1000, 2.0**-900)), interval((2.0**900, 2.0**1000)))
    with np.errstate(all="ignore"):
        small, large = lo, hi
        for _ in range(6):
            small, large = small * small, large * large
        assert small.lo[0] <= 0 < small.hi[0]
        assert 0 < large.lo[0] < np.inf == large.hi[0]
        assert (-large).hi[0] < 0 and (-large).lo[0] == -np.inf
    assert (nearest(Fraction(1, 3)) * 3 - 1) == pytest.approx(0, abs=2.0**-60)
    assert nearest(Fraction(10) ** 400) == np.inf
    third = LongInterval.near([1 / 3])
    assert third.lo[0] < 1 / 3 < third.hi[0] < (1 + 2.0**-49) / 3
