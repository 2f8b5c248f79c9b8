"""Interval arithmetic in extended precision, of values alone: the proof's own arithmetic.

``numpy.longdouble`` reaches down to 1e-4900 on x86-64, so that exp(-2000) is no zero.  Formulas
differ from those of the passes where there is a choice: sigmoid and softplus from exp, tanh from
expm1, erfc from the scaled erfcx.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..program.exact import Surd

Long = NDArray[np.longdouble]
_REAL = np.longdouble
_MARGIN = _REAL(2.0**-40)  # relative; library functions of float64 err by less than 2**-50
_ROUNDED = _REAL(2.0**-50)  # relative; also where longdouble is float64
_LEAST = np.finfo(_REAL).tiny * _REAL(2.0**64)


def nearest(value: Fraction | Surd) -> np.longdouble:
    """Return an exact number to more than 50 bits."""
    number = Surd.of(value)
    high = float(number)
    if not np.isfinite(high):
        return _REAL(high)
    return _REAL(high) + _REAL(float(number - Surd.of(high)))


class LongInterval:
    """Numbers between bounds, longdouble arrays; infinite where nothing is known."""

    __slots__ = ("hi", "lo")

    def __init__(self, lo: Long, hi: Long) -> None:
        self.lo, self.hi = lo, hi

    @classmethod
    def near(cls, value: Any, margin: Any = _ROUNDED) -> LongInterval:
        """Return numbers known to a relative error."""
        return _widened(np.asarray(value, _REAL), np.asarray(value, _REAL), margin)

    def __neg__(self) -> LongInterval:
        return LongInterval(-self.hi, -self.lo)

    def __add__(self, other: LongInterval) -> LongInterval:
        total = _widened(self.lo + other.lo, self.hi + other.hi, _ROUNDED)
        same_lo, same_hi = (self.lo == 0) | (other.lo == 0), (self.hi == 0) | (other.hi == 0)
        lo = np.where(same_lo, self.lo + other.lo, total.lo)  # adding 0 is exact
        return LongInterval(lo, np.where(same_hi, self.hi + other.hi, total.hi))

    def __sub__(self, other: LongInterval) -> LongInterval:
        return self + -other

    def __mul__(self, other: LongInterval) -> LongInterval:
        low, high = [], []
        for a in (self.lo, self.hi):
            for b in (other.lo, other.hi):
                product = np.where((a == 0) | (b == 0), _REAL(0), a * b)
                lost = np.where((product == 0) & (a != 0) & (b != 0), _LEAST, _REAL(0))
                low.append(product - lost)
                high.append(product + lost)
        lo, hi = np.broadcast_arrays(*low), np.broadcast_arrays(*high)
        return _widened(np.minimum.reduce(lo), np.maximum.reduce(hi), _ROUNDED)

    def inverse(self) -> LongInterval:
        """Return 1 / these, unbounded where they may be 0."""
        may = (self.lo <= 0) & (self.hi >= 0)
        outer = _widened(1 / self.hi, 1 / self.lo, _ROUNDED)
        return LongInterval(np.where(may, -np.inf, outer.lo), np.where(may, np.inf, outer.hi))

    def larger(self, other: LongInterval) -> LongInterval:
        return LongInterval(np.maximum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def smaller(self, other: LongInterval) -> LongInterval:
        return LongInterval(np.minimum(self.lo, other.lo), np.minimum(self.hi, other.hi))


def _widened(lo: Long, hi: Long, margin: Any) -> LongInterval:
    """Move bounds apart; 0 is exact, and what is almost too small for longdouble may be 0."""
    low, high = lo - np.abs(lo) * margin, hi + np.abs(hi) * margin
    tiny_lo, tiny_hi = (np.abs(lo) < _LEAST) & (lo != 0), (np.abs(hi) < _LEAST) & (hi != 0)
    low = np.where(tiny_lo, np.where(lo < 0, -2 * _LEAST, _REAL(0)), low)
    high = np.where(tiny_hi, np.where(hi > 0, 2 * _LEAST, _REAL(0)), high)
    # What overflowed is at least the greatest longdouble, not infinite.
    top = np.finfo(_REAL).max
    return LongInterval(np.where(lo == np.inf, top, low), np.where(hi == -np.inf, -top, high))


def _rising(
    f: Callable[[Long], Any], x: LongInterval, least: float = -np.inf, most: float = np.inf
) -> LongInterval:
    """Return bounds of a rising function; a result of 0 is exact at 0 only."""
    lo, hi = np.asarray(f(x.lo), _REAL), np.asarray(f(x.hi), _REAL)
    outer = _widened(lo, hi, _MARGIN)
    low = np.where((lo == 0) & (x.lo != 0), -_LEAST, outer.lo)
    high = np.where((hi == 0) & (x.hi != 0), _LEAST, outer.hi)
    return LongInterval(np.maximum(low, least), np.minimum(high, most))


def _sigmoid(x: Long) -> Long:
    e = np.exp(-np.abs(x))
    result: Long = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return result


def _softplus(x: Long) -> Long:
    rest: Long = np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
    return rest


def _tanh(x: Long) -> Long:
    e = np.expm1(-2 * np.abs(x))
    result: object = np.sign(x) * (-e / (2 + e))
    return cast(Long, result)  # pyright takes it for float64


def _erfc(x: Long) -> Long:
    scaled = special.erfcx(np.abs(x).astype(np.float64)).astype(_REAL)
    tail = scaled * np.exp(-x * x)
    result: Long = np.where(x >= 0, tail, 2 - tail)
    return result


def _erf(x: Long) -> Long:
    near = _REAL(2.0) / np.sqrt(_REAL(np.pi)) * x  # float64 has no such small numbers
    far = special.erf(x.astype(np.float64)).astype(_REAL)
    result: Long = np.where(np.abs(x) < 1e-150, near, far)
    return result


_MONOTONE: dict[str, tuple[Callable[[Long], Any], float, float]] = {
    "exp": (np.exp, 0.0, np.inf),
    "expm1": (np.expm1, -1.0, np.inf),
    "sigmoid": (_sigmoid, 0.0, 1.0),
    "softplus": (_softplus, 0.0, np.inf),
    "tanh": (_tanh, -1.0, 1.0),
    "erf": (_erf, -1.0, 1.0),
    "atan": (np.arctan, -1.5707963267948968, 1.5707963267948968),
}


def _wave(f: Callable[[Long], Any], x: LongInterval, peak: float) -> LongInterval:
    """Return bounds of sine or cosine, which is 1 at ``peak``: extremes are counted in half
    turns, an even number of which is a greatest value.
    """
    first, last = ((end - _REAL(peak)) / _REAL(np.pi) for end in (x.lo, x.hi))
    slack = _MARGIN * (1 + np.abs(first) + np.abs(last))
    known = np.isfinite(first) & np.isfinite(last) & (slack < 0.25)
    first, last = (np.where(known, end, 0) for end in (first, last))
    least, most = np.ceil(first - slack), np.floor(last + slack)
    several, one = ~known | (most > least), most == least
    top = several | (one & (least % 2 == 0))
    bottom = several | (one & (least % 2 != 0))
    ends = [np.asarray(f(np.where(known, end, 0)), _REAL) for end in (x.lo, x.hi)]
    outer = _widened(np.minimum(*ends), np.maximum(*ends), _MARGIN)
    return LongInterval(
        np.where(bottom, _REAL(-1), np.maximum(outer.lo, -1)),
        np.where(top, _REAL(1), np.minimum(outer.hi, 1)),
    )


class BoundedArithmetic:
    """The arithmetic of ``LongInterval``, for expressions."""

    def number(self, value: Fraction) -> LongInterval:
        exact = Fraction(float(value)) == value
        near = np.array([nearest(value)])
        return LongInterval(near, near) if exact else LongInterval.near(near)

    def pi(self) -> LongInterval:
        return LongInterval.near([np.pi], _REAL(2.0**-48))

    def power(self, base: LongInterval, exponent: Fraction) -> LongInterval:
        if exponent < 0:
            return self.power(base, -exponent).inverse()
        if exponent.denominator > 1:
            degree = _REAL(float(exponent))
            lo, hi = (np.maximum(v, 0) ** degree for v in (base.lo, base.hi))
            return _defined(_widened(lo, hi, _MARGIN), base.lo >= 0)
        n = int(exponent)
        lo, hi = base.lo, base.hi
        if n % 2 == 0:
            most = np.maximum(np.abs(lo), np.abs(hi))
            lo, hi = np.maximum(np.maximum(lo, -hi), 0), most
        return _widened(lo**n, hi**n, _MARGIN)

    def call(self, name: str, *arguments: LongInterval) -> LongInterval:
        a, *rest = arguments
        if name == "erfc":
            return -_rising(lambda x: -_erfc(x), a, -2.0, 0.0)
        if name in ("sin", "cos"):
            return _wave(np.sin, a, np.pi / 2) if name == "sin" else _wave(np.cos, a, 0.0)
        if name in _MONOTONE:
            f, least, most = _MONOTONE[name]
            return _rising(f, a, least, most)
        if name == "above":
            b, u, v = rest
            first, second = a.lo > b.hi, a.hi <= b.lo
            lo, hi = np.minimum(u.lo, v.lo), np.maximum(u.hi, v.hi)
            return LongInterval(
                np.where(first, u.lo, np.where(second, v.lo, lo)),
                np.where(first, u.hi, np.where(second, v.hi, hi)),
            )
        if name == "abs":
            return a.larger(-a)
        if name in ("log", "sqrt"):
            f = np.log if name == "log" else np.sqrt
            inside = a.lo > 0 if name == "log" else a.lo >= 0
            low = np.maximum(a.lo, 0)
            return _defined(_widened(f(low), f(np.maximum(a.hi, low)), _MARGIN), inside)
        (b,) = rest
        steps = {"add": a.__add__, "sub": a.__sub__, "mul": a.__mul__, "max": a.larger}
        steps |= {"min": a.smaller, "div": lambda other: a * other.inverse()}
        return steps[name](b)


def _defined(image: LongInterval, inside: Any) -> LongInterval:
    """Return what is unbounded where a function is not defined throughout."""
    return LongInterval(np.where(inside, image.lo, -np.inf), np.where(inside, image.hi, np.inf))
