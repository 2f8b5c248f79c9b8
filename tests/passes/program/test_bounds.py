"""Bounds in float64 and in extended precision: they hold the number, and no more than rounding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from n2uqc.passes.checks.extended import BoundedArithmetic, LongInterval
from n2uqc.passes.program.ops.real.enclosure import Enclosure, EnclosureArithmetic
from n2uqc.passes.program.ops.real.ends import ends_inverse, ends_product, ends_sum

mp = mpmath.mp.clone()
mp.dps = 200  # slopes are taken of numbers as close to 1 as tanh(40)
A = EnclosureArithmetic()
POINTS = [-700.0, -40.0, -5.5, -1.0, -1 / 3, -1e-9, 0.0, 1e-9, 0.3, 1.0, 2.0, 6.0, 30.0, 300.0]
ENDS = [0.0, 1.0, -1.0, 3.0, 1 / 3, -0.1, 0.75 * 2.0**-52, -0.75 * 2.0**-52, 1e-200, 1e150]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]
ANYWHERE: dict[str, Pair] = {
    **{name: (lambda x, name=name: A.call(name, x), getattr(mp, name))
       for name in ("exp", "expm1", "tanh", "erf", "erfc", "sin", "cos", "atan")},
    "sigmoid": (lambda x: A.call("sigmoid", x), sigmoid),
    "softplus": (lambda x: A.call("softplus", x), lambda x: mp.log1p(mp.exp(x))),
    "sum": (
        lambda x: A.add(A.mul(x, x), A.number(Fraction(1, 3))), lambda x: x * x + mp.mpf(1) / 3
    ),
    "difference": (lambda x: A.sub(A.call("tanh", x), x), lambda x: mp.tanh(x) - x),
    "product": (lambda x: A.mul(x, A.call("sigmoid", x)), lambda x: x * sigmoid(x)),
    "quotient": (
        lambda x: A.div(x, A.add(A.number(Fraction(2)), A.power(x, Fraction(2)))),
        lambda x: x / (2 + x * x),
    ),
    "greater": (lambda x: A.max(x, A.mul(x, A.number(Fraction(-1, 2)))), lambda x: max(x, -x / 2)),
    "less": (lambda x: A.min(x, A.number(Fraction(1, 8))), lambda x: min(x, mp.mpf(1) / 8)),
    "magnitude": (lambda x: A.abs(x), abs),
    "chosen": (
        lambda x: A.above(x, A.number(Fraction(1, 2)), A.mul(x, x), x),
        lambda x: x * x if x > 0.5 else x,
    ),
    "ratio of the circle": (lambda x: A.mul(x, A.pi()), lambda x: x * mp.pi),
    **{f"power {n}": (lambda x, n=n: A.power(x, Fraction(n)), lambda x, n=n: x**n)
       for n in (2, 3)},
}  # fmt: skip
POSITIVE: dict[str, Pair] = {
    "logarithm": (lambda x: A.log(x), mp.log),
    "square root": (lambda x: A.sqrt(x), mp.sqrt),
    "inverse": (lambda x: A.power(x, Fraction(-1)), lambda x: 1 / x),
    "inverse square": (lambda x: A.power(x, Fraction(-2)), lambda x: 1 / x**2),
    "cube root": (lambda x: A.power(x, Fraction(1, 3)), mp.cbrt),
    "inverse root": (lambda x: A.power(x, Fraction(-1, 2)), lambda x: 1 / mp.sqrt(x)),
}
KINKS = {"greater": 0.0, "magnitude": 0.0}


def number(value: Any) -> Any:
    return mp.mpf(float(value))


@pytest.mark.parametrize("name", [*ANYWHERE, *POSITIVE])
def test_values_and_slopes_at_a_point(name: str) -> None:
    """Held, and within a few units of the library's error."""
    bound, exact = {**ANYWHERE, **POSITIVE}[name]
    for x in POINTS:
        if name in POSITIVE and x <= 0 or KINKS.get(name) == x:
            continue
        found = bound(Enclosure.of(np.array([x]), np.array([x])))
        assert found.slope is not None
        slope = [(found.slope, mp.diff(exact, mp.mpf(x)))] if abs(x) <= 40 else []
        for ends, want in (((found.lo, found.hi), exact(mp.mpf(x))), *slope):
            low, high = (number(np.ravel(v)[0]) for v in ends)
            slack = (abs(want) + mp.mpf(10) ** -80) * mp.mpf(10) ** -20  # of numeric slopes
            assert low - slack <= want <= high + slack, (x, low, want, high)
            reach = abs(want) + (abs(mp.mpf(x)) + 1) * mp.mpf(10) ** -3
            assert high - low <= reach * mp.mpf(10) ** -9 or abs(x) > 40, (x, low, want, high)


@pytest.mark.parametrize("name", [*ANYWHERE, *POSITIVE])
def test_values_and_slopes_over_a_range(name: str) -> None:
    bound, exact = {**ANYWHERE, **POSITIVE}[name]
    points = [x for x in POINTS if name in ANYWHERE or x > 0]
    for lo, hi in zip(points, points[1:], strict=False):
        found = bound(Enclosure.of(np.array([lo]), np.array([hi])))
        low, high = (number(np.ravel(v)[0]) for v in (found.lo, found.hi))
        down, up = (number(np.ravel(v)[0]) for v in found.slope)
        for share in (0.0, 0.1, 0.5, 0.8, 1.0):
            x = mp.mpf(lo) + (mp.mpf(hi) - mp.mpf(lo)) * share
            assert low <= exact(x) <= high
            if share not in (0.0, 1.0):
                slope = mp.diff(exact, x)
                slack = (abs(slope) + mp.mpf(10) ** -80) * mp.mpf(10) ** -20
                assert abs(x) > 40 or down - slack <= slope <= up + slack, (x, down, slope, up)


@pytest.mark.filterwarnings("ignore:overflow")
def test_sums_products_and_quotients_are_rounded_outwards() -> None:
    """Numbers that float64 rounds up and down; exact where one is zero."""
    for a, b in product(ENDS, ENDS):
        x, y = (np.array([a]), np.array([a])), (np.array([b]), np.array([b]))
        for ends, want in (
            (ends_sum(x, y), Fraction(a) + Fraction(b)),
            (ends_product(x, y), Fraction(a) * Fraction(b)),
            *([(ends_product(x, ends_inverse(y)), Fraction(a) / Fraction(b))] if b else []),
        ):
            if abs(want) > 10**300:
                continue
            low, high = (Fraction(float(v[0])) for v in ends)
            assert low <= want <= high
            assert high - low <= abs(want) * Fraction(2) ** -50 + Fraction(1, 10**300)
            if not (a and b):
                assert low == want == high


def test_sums_of_ranges_that_end_at_zero() -> None:
    """An end of zero makes its own end of the sum exact, not the other one."""
    ranges = [(-0.1, 0.0), (0.0, 1 / 3), (-1.0, 1.0), (0.1, 0.7), (-0.7, -0.2), (0.0, 0.0)]
    for a, b in product(ranges, ranges):
        found = ends_sum(*(tuple(np.array([v]) for v in pair) for pair in (a, b)))
        low, high = (Fraction(float(v[0])) for v in found)
        assert low <= Fraction(a[0]) + Fraction(b[0]) and Fraction(a[1]) + Fraction(b[1]) <= high
        if not (a[0] and b[0]):
            assert low == Fraction(a[0]) + Fraction(b[0])
        if not (a[1] and b[1]):
            assert high == Fraction(a[1]) + Fraction(b[1])


def fraction(value: np.longdouble) -> Fraction:
    return Fraction(*value.as_integer_ratio())


def test_extended_sums_and_products_hold_the_number() -> None:
    """Parts that extended precision drops, beside 1 and beside 0."""
    ends = [np.longdouble(v) for v in ENDS] + [np.longdouble(2) ** -66, -(np.longdouble(2) ** -66)]
    for a, b in product(ends, ends):
        x, y = (LongInterval(np.array([v]), np.array([v])) for v in (a, b))
        for found, want in (
            (x + y, fraction(a) + fraction(b)),
            (x - y, fraction(a) - fraction(b)),
            (x * y, fraction(a) * fraction(b)),
            *([(x * y.inverse(), fraction(a) / fraction(b))] if b else []),
        ):
            low, high = fraction(found.lo[0]), fraction(found.hi[0])
            assert low <= want <= high
            assert high - low <= abs(want) * Fraction(2) ** -47


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_extended_ranges_hold_every_pair() -> None:
    ranges = [(-3.0, -0.5), (-1.0, 2.0), (0.0, 1.5), (0.25, 4.0)]
    arithmetic = BoundedArithmetic()
    steps: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
        "max": max, "min": min, "div": lambda a, b: a / b,
    }  # fmt: skip
    for (a, b), name in product(product(ranges, ranges), steps):
        x, y = (LongInterval(*np.array(pair, np.longdouble)[:, None]) for pair in (a, b))
        found = arithmetic.call(name, x, y)
        low, high = found.lo[0], found.hi[0]
        for p, q in product(np.linspace(*a, 5), np.linspace(*b, 5)):
            if name == "div" and q == 0:
                continue
            want = steps[name](Fraction(float(p)), Fraction(float(q)))
            assert low == -np.inf or fraction(low) <= want
            assert high == np.inf or want <= fraction(high)
        if name != "div" or b[0] > 0 or b[1] < 0:
            assert np.isfinite(low) and np.isfinite(high)
