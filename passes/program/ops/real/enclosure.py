"""Interval arithmetic in float64, rounded outwards, with slopes: what decides most comparisons.

Sums, products, quotients and square roots are correctly rounded by IEEE 754: their bounds move by
one float64.  numpy and scipy compute exp, log, tanh, erf, … to a few units in the last place;
``MARGIN`` is thousands of times that.  Slopes are those of automatic differentiation (Moore,
Kearfott and Cloud, "Introduction to Interval Analysis", 2009, chapter 9), hulls at kinks.

Naive products hide the sign of ``(x sigmoid(x))'`` wherever sigmoid spans orders of magnitude, so
functions without zeros also carry their relative slope ``g' / g``, by which
``(f g)' = g (f' + f g'/g)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from .algebra import Reals
from .ends import (
    EVERY,
    SMOOTH,
    Ends,
    ends_hull,
    ends_inverse,
    ends_negative,
    ends_product,
    ends_sum,
    even,
    of_tanh,
    rising,
    wave,
)


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Bounds of values, and of their slopes in some variable; arrays that broadcast.

    Attributes:
        lo, hi: bounds of the value; NaN where a function is not defined.
        slope: bounds of the derivative; None if they are not asked for.
        relative: bounds of derivative / value; None where that is not known.
    """

    lo: Reals
    hi: Reals
    slope: Ends | None = None
    relative: Ends | None = None

    @classmethod
    def of(cls, lo: Reals, hi: Reals) -> Enclosure:
        """Return a variable: values between bounds, of slope 1."""
        one = np.ones(1)
        return cls(lo, hi, (one, one))

    @classmethod
    def fixed(cls, values: Reals, exact: Any, *, slopes: bool = True) -> Enclosure:
        """Return constants: the nearest float64 of each, and whether it is exact."""
        zero = np.zeros(1)
        lo = np.where(exact, values, np.nextafter(values, -np.inf))
        hi = np.where(exact, values, np.nextafter(values, np.inf))
        return cls(lo, hi, (zero, zero) if slopes else None)


class EnclosureArithmetic:
    """The arithmetic of enclosures, for expressions.

    Args:
        slopes: whether they are asked for.
    """

    def __init__(self, *, slopes: bool = True) -> None:
        self.slopes = slopes

    def number(self, value: Fraction) -> Enclosure:
        nearest = float(value)
        exact = Fraction(nearest) == value if np.isfinite(nearest) else False
        return Enclosure.fixed(np.array([nearest]), exact, slopes=self.slopes)

    def pi(self) -> Enclosure:
        return Enclosure.fixed(np.array([np.pi]), False, slopes=self.slopes)

    def call(self, name: str, *arguments: Enclosure) -> Enclosure:
        with np.errstate(all="ignore"):
            if name in SMOOTH:
                return _smooth(name, arguments[0])
            result: Enclosure = getattr(self, name)(*arguments)
        return result

    def add(self, a: Enclosure, b: Enclosure) -> Enclosure:
        slope = ends_sum(a.slope, b.slope) if a.slope and b.slope else None
        return Enclosure(*ends_sum((a.lo, a.hi), (b.lo, b.hi)), slope)

    def sub(self, a: Enclosure, b: Enclosure) -> Enclosure:
        return self.add(a, negative(b))

    def mul(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """Multiply; of two bounds on the slope, take what both allow."""
        of_a, of_b = (a.lo, a.hi), (b.lo, b.hi)
        ends = ends_product(of_a, of_b)
        if a.slope is None or b.slope is None:
            return Enclosure(*ends)
        slope = ends_sum(ends_product(a.slope, of_b), ends_product(of_a, b.slope))
        for (f, df), g, relative in (
            ((of_a, a.slope), of_b, b.relative),
            ((of_b, b.slope), of_a, a.relative),
        ):
            if relative is not None:
                other = ends_product(g, ends_sum(df, ends_product(f, relative)))
                slope = np.fmax(slope[0], other[0]), np.fmin(slope[1], other[1])
        relative = None
        pair = [_relative(v) for v in (a, b)]
        if pair[0] is not None and pair[1] is not None:
            relative = ends_sum(pair[0], pair[1])
        return Enclosure(*ends, slope, relative)

    def div(self, a: Enclosure, b: Enclosure) -> Enclosure:
        of_b = b.lo, b.hi
        inverse = ends_inverse(of_b)
        slope = relative = None
        if b.slope is not None:
            relative = _relative(b)
            relative = ends_negative(
                relative if relative is not None else ends_product(b.slope, inverse)
            )
            slope = ends_product(inverse, relative)
        return self.mul(a, Enclosure(*inverse, slope, relative))

    def max(self, a: Enclosure, b: Enclosure) -> Enclosure:
        slope = None
        if a.slope is not None and b.slope is not None:
            slope = _chosen(a.lo >= b.hi, b.lo >= a.hi, a.slope, b.slope)
        return Enclosure(np.maximum(a.lo, b.lo), np.maximum(a.hi, b.hi), slope)

    def above(self, a: Enclosure, b: Enclosure, u: Enclosure, v: Enclosure) -> Enclosure:
        """Choose u where a > b; where that is open, both, with any slope: there may be a jump."""
        first, second = a.lo > b.hi, a.hi <= b.lo
        slope = None
        if u.slope is not None and v.slope is not None:
            every = np.full(1, -np.inf), np.full(1, np.inf)
            slope = tuple(
                np.where(first, p, np.where(second, q, e))
                for p, q, e in zip(u.slope, v.slope, every, strict=True)
            )
        lo, hi = _chosen(first, second, (u.lo, u.hi), (v.lo, v.hi))
        return Enclosure(lo, hi, None if slope is None else (slope[0], slope[1]))

    def min(self, a: Enclosure, b: Enclosure) -> Enclosure:
        return negative(self.max(negative(a), negative(b)))

    def abs(self, a: Enclosure) -> Enclosure:
        """Return ``max(a, -a)``; around 0 the bound of that alone would be negative."""
        larger = self.max(a, negative(a))
        return replace(larger, lo=np.maximum(larger.lo, 0.0))

    def sin(self, a: Enclosure) -> Enclosure:
        ends = a.lo, a.hi
        slope = None if a.slope is None else ends_product(wave(np.cos, ends, 0.0), a.slope)
        return Enclosure(*wave(np.sin, ends, np.pi / 2), slope)

    def cos(self, a: Enclosure) -> Enclosure:
        ends, slope = (a.lo, a.hi), None
        if a.slope is not None:
            slope = ends_product(ends_negative(wave(np.sin, ends, np.pi / 2)), a.slope)
        return Enclosure(*wave(np.cos, ends, 0.0), slope)

    def log(self, a: Enclosure) -> Enclosure:
        ends = a.lo, a.hi
        lo, hi = rising(np.log, ends, EVERY)
        value = np.where(a.lo == 1, 0.0, lo), np.where(a.hi == 1, 0.0, hi)
        slope = None if a.slope is None else ends_product(a.slope, ends_inverse(ends))
        return Enclosure(*_where_defined(value, a.lo > 0, a.hi > 0), slope)

    def sqrt(self, a: Enclosure) -> Enclosure:
        lo, hi = np.sqrt(a.lo), np.sqrt(a.hi)
        value = (
            np.where((a.lo == 0) | (a.lo == 1), lo, np.nextafter(lo, 0.0)),
            np.where((a.hi == 0) | (a.hi == 1), hi, np.nextafter(hi, np.inf)),
        )
        slope = None
        if a.slope is not None:
            half = np.full(1, 0.5)
            slope = ends_product(ends_product(a.slope, (half, half)), ends_inverse(value))
        return Enclosure(*_where_defined(value, a.lo >= 0, a.hi >= 0), slope)

    def power(self, base: Enclosure, exponent: Fraction) -> Enclosure:
        with np.errstate(all="ignore"):
            if exponent.denominator > 1:
                return self._root(base, exponent)
            one = self.number(Fraction(1))
            if exponent < 0:
                return self.div(one, self.power(base, -exponent))
            ends = _whole_power((base.lo, base.hi), int(exponent))
            if base.slope is None:
                return Enclosure(*ends)
            n = np.full(1, float(exponent))
            lower = _whole_power((base.lo, base.hi), int(exponent) - 1)
            slope = ends_product(ends_product((n, n), lower), base.slope)
            relative = _relative(base)
            if relative is not None:
                relative = ends_product((n, n), relative)
            return Enclosure(*ends, slope, relative)

    def _root(self, base: Enclosure, exponent: Fraction) -> Enclosure:
        """Raise to a power that is no whole number: ``exp(exponent * log(base))``."""
        positive = Enclosure(np.maximum(base.lo, 1e-300), np.maximum(base.hi, 1e-300), base.slope)
        result = _smooth("exp", self.mul(self.number(exponent), self.log(positive)))
        if exponent < 0:
            value = result.lo, result.hi
            return Enclosure(*_where_defined(value, base.lo > 0, base.hi > 0), result.slope)
        # Below 1e-300 it is between 0, which is its value at 0, and its value there.
        near = base.lo <= 1e-300
        lo, hi = np.where(near, 0.0, result.lo), np.where(base.hi == 0, 0.0, result.hi)
        slope = result.slope
        if slope is not None:
            assert base.slope is not None
            near = near & ((base.slope[0] != 0) | (base.slope[1] != 0))
            slope = np.where(near, -np.inf, slope[0]), np.where(near, np.inf, slope[1])
        return Enclosure(*_where_defined((lo, hi), base.lo >= 0, base.hi >= 0), slope)


def _where_defined(value: Ends, everywhere: Any, somewhere: Any) -> Ends:
    """Return bounds of a function that is not defined for all arguments.

    Everything where some are outside its domain, NaN where all are.
    """
    lo, hi = np.where(everywhere, value[0], -np.inf), np.where(everywhere, value[1], np.inf)
    return np.where(somewhere, lo, np.nan), np.where(somewhere, hi, np.nan)


def negative(a: Enclosure) -> Enclosure:
    """Return ``-a``."""
    slope = None if a.slope is None else ends_negative(a.slope)
    return Enclosure(-a.hi, -a.lo, slope, a.relative)


def _relative(a: Enclosure) -> Ends | None:
    """Return the relative slope, also of nonzero constants."""
    if a.relative is not None or a.slope is None:
        return a.relative
    constant = not (np.any(a.slope[0]) or np.any(a.slope[1]))
    definite = bool(np.all((a.lo > 0) | (a.hi < 0)))
    return a.slope if constant and definite else None


def _smooth(name: str, a: Enclosure) -> Enclosure:
    kind, ends = SMOOTH[name], (a.lo, a.hi)
    value = kind.value(ends)
    if a.slope is None:
        return Enclosure(*value)
    slope = ends_product(kind.slope(ends), a.slope)
    relative = None
    if kind.relative is not None:
        relative = ends_product(kind.relative(ends), a.slope)
    elif name == "tanh" and a.relative is not None:
        relative = ends_product(even(of_tanh, ends, 1.0), a.relative)
    return Enclosure(*value, slope, relative)


def _chosen(first: Any, second: Any, a: Ends, b: Ends) -> Ends:
    """Return slopes: those of a, those of b, or where neither is certain the hull."""
    hull = ends_hull(a, b)
    return (
        np.where(first, a[0], np.where(second, b[0], hull[0])),
        np.where(first, a[1], np.where(second, b[1], hull[1])),
    )


def _whole_power(a: Ends, n: int) -> Ends:
    """Return bounds of a power with a whole exponent n >= 0."""
    if n == 0:
        return np.ones(1), np.ones(1)
    if n % 2 == 0:
        most = np.maximum(np.abs(a[0]), np.abs(a[1]))
        least = np.maximum(np.maximum(a[0], -a[1]), 0.0)
        a = least, most
    lo = hi = None
    for _ in range(n):  # each end by itself: both have one sign
        lo = (a[0], a[0]) if lo is None else ends_product(lo, (a[0], a[0]))
        hi = (a[1], a[1]) if hi is None else ends_product(hi, (a[1], a[1]))
    assert lo is not None and hi is not None
    return lo[0], hi[1]
