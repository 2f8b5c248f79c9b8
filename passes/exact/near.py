"""Floating-point numbers that know their error: a fast filter before exact arithmetic.

The exact-predicate filter of computational geometry (Shewchuk, "Adaptive precision floating-point
arithmetic", 1997, section 1): decide in float64 when the error bound allows, else raise ``Unsure``
and let the caller repeat the computation exactly.
"""

from __future__ import annotations

from fractions import Fraction

from ..program.exact import Surd

ULP = 2.0**-51  # twice the relative rounding error of one float64 operation, and then some


class Unsure(ArithmeticError):
    """The error bound straddles the decision."""


class Near:
    """``value`` with ``|exact - value| <= error``; sums, products and signs."""

    __slots__ = ("error", "value")

    def __init__(self, value: float, error: float) -> None:
        self.value, self.error = value, error

    @classmethod
    def of(cls, number: Near | Surd | Fraction | int) -> Near:
        if isinstance(number, Near):
            return number
        value = float(number)
        return cls(value, abs(value) * ULP + (1e-300 if number else 0.0))

    def __add__(self, other: Near) -> Near:
        value = self.value + other.value
        return Near(value, self.error + other.error + abs(value) * ULP)

    def __sub__(self, other: Near) -> Near:
        value = self.value - other.value
        return Near(value, self.error + other.error + abs(value) * ULP)

    def __neg__(self) -> Near:
        return Near(-self.value, self.error)

    def __mul__(self, other: Near) -> Near:
        if self.value == self.error == 0 or other.value == other.error == 0:
            return Near(0.0, 0.0)
        value = self.value * other.value
        error = (
            abs(self.value) * other.error + abs(other.value) * self.error + self.error * other.error
        )
        return Near(value, error * (1 + ULP) + abs(value) * ULP + 1e-300)

    def sign(self) -> int:
        if self.value == 0 and self.error == 0:
            return 0
        if abs(self.value) <= self.error:
            raise Unsure
        return 1 if self.value > 0 else -1
