"""Floating-point numbers with a bound on their error, which avoid most of the exact arithmetic.

The exact-predicate filter of computational geometry (Shewchuk, "Adaptive precision floating-point
arithmetic", 1997, section 1): decide in float64 where the error bound allows.  Sums and products
that float64 holds exactly add no error, so dyadic numbers, of which fixed-point chains are made,
are decided even in ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..program.ops.real import Row, floats
from ..program.types import IntArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_ULP = 2.0**-51  # more than twice the relative rounding error of one float64 operation
_UNDERFLOW = 1e-300  # absolute error of results that may leave float64's normal range


class Filtered:
    """Numbers with ``|exact - value| <= error``, float64 (C,) or (K, C); an error of 0 is exact."""

    __slots__ = ("error", "value")

    def __init__(self, value: Floats, error: Floats) -> None:
        self.value, self.error = value, error

    @classmethod
    def of(cls, row: Row) -> Filtered:
        """Take exact numbers, (C,)."""
        value = floats(row)
        known = np.array([v.fits_float64 for v in row])
        return cls(value, np.where(known, 0.0, np.abs(value) * _ULP + _UNDERFLOW))

    @classmethod
    def zero(cls) -> Filtered:
        """Return the number 0, (1,)."""
        return cls(np.zeros(1), np.zeros(1))

    def __add__(self, other: Filtered) -> Filtered:
        value = self.value + other.value
        return Filtered(
            value, self.error + other.error + _lost_in_sum(self.value, other.value, value)
        )

    def __sub__(self, other: Filtered) -> Filtered:
        return self + Filtered(-other.value, other.error)

    def __mul__(self, other: Filtered) -> Filtered:
        value = self.value * other.value
        error = (
            np.abs(self.value) * other.error
            + np.abs(other.value) * self.error
            + self.error * other.error
        )
        lost = _lost_in_product(self.value, other.value, value)
        return Filtered(value, error * (1 + _ULP) + lost)

    def __truediv__(self, other: Filtered) -> Filtered:
        """Divide; where the divisor may be 0, the error is infinite."""
        low = np.abs(other.value) - other.error
        value = self.value / other.value
        error = (self.error + np.abs(value) * other.error) / low
        # The quotient is exact if quotient times divisor is exact and equals the dividend.
        product = value * other.value
        exact = (product == self.value) & (_lost_in_product(value, other.value, product) == 0)
        error = error * (1 + 4 * _ULP) + np.where(exact, 0.0, np.abs(value) * _ULP + _UNDERFLOW)
        return Filtered(value, np.where(low > 0, error, np.inf))

    def signs(self) -> tuple[IntArray, Mask]:
        """Return the signs (-1, 0 or 1), and a mask of where they are certain."""
        sign: IntArray = np.sign(np.nan_to_num(self.value)).astype(np.int64)
        return sign, (np.abs(self.value) > self.error) | ((self.value == 0) & (self.error == 0))


def _lost_in_sum(a: Floats, b: Floats, total: Floats) -> Floats:
    """Return a bound on the rounding of ``a + b``, 0 where there is none (Knuth's TwoSum)."""
    part = total - a
    lost = (a - (total - part)) + (b - part)
    return np.where(lost == 0, 0.0, np.abs(total) * _ULP)


def _lost_in_product(a: Floats, b: Floats, product: Floats) -> Floats:
    """Return a bound on the rounding of ``a * b``, 0 where there is none (Dekker's TwoProduct)."""
    (a1, a2), (b1, b2) = (_halves(v) for v in (a, b))
    lost = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    size = np.abs(product)
    # Where no partial product under- or overflows.
    safe = (size > 1e-200) & (np.maximum(np.abs(a), np.abs(b)) < 1e150)
    exact = ((lost == 0) & safe) | (a == 0) | (b == 0)
    return np.where(exact, 0.0, size * _ULP + _UNDERFLOW)


def _halves(a: Floats) -> tuple[Floats, Floats]:
    """Split ``a`` into two numbers of 26 bits with the sum ``a`` (Veltkamp)."""
    far = a * 134217729.0
    high = far - (far - a)
    return high, a - high
