"""Exact real numbers: rational combinations of square roots, with decidable sign and floor.

Every parameter of a trained network is a float32, hence a rational.  The only irrational step on
the way to an integer threshold is BatchNorm's ``1 / sqrt(var + eps)``, so sums of rational
multiples of square roots are closed under all that folding needs.  Two facts make them decidable:

* square roots of rationals no two of which have a product that is a perfect square are linearly
  independent over the rationals (Besicovitch, "On the linear independence of fractional powers of
  integers", J. London Math. Soc. 15, 1940), so a sum is zero only if all its coefficients are;
* a nonzero sum is told from zero by evaluating it in integer arithmetic at growing precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import total_ordering
from math import floor, inf, isqrt

from n2uqc.frontend.diagnostics import Unfit

Rational = int | Fraction

_ZERO, _ONE = Fraction(0), Fraction(1)


def _square_root(q: Fraction) -> Fraction | None:
    """Return the rational square root of ``q`` >= 0 if it has one."""
    top, bottom = isqrt(q.numerator), isqrt(q.denominator)
    if top * top != q.numerator or bottom * bottom != q.denominator:
        return None
    return Fraction(top, bottom)


def _enclose_root(q: Fraction, precision: int) -> tuple[int, int]:
    """Return integers ``(lo, hi)`` with ``lo <= sqrt(q)
    * 2**precision <= hi`` and ``hi - lo <= 1``.
    """
    scaled = q * (1 << (2 * precision))
    low = isqrt(scaled.numerator // scaled.denominator)
    return low, low if low * low == scaled else low + 1


_DIGITS = 4000  # of a number in text; Python itself reads no more than 4300


def parse_fraction(text: str) -> Fraction:
    """Return a rational number as ``str`` writes it: ``-3`` or ``5/8``.

    Raises:
        ValueError: anything else, or too many digits; an exponent of eight digits would take
            minutes and gigabytes.
    """
    top, slash, bottom = text.removeprefix("-").partition("/")
    fits = top.isdecimal() and (bottom.isdecimal() if slash else not bottom)
    if not fits or not text.isascii() or len(text) > _DIGITS:
        raise Unfit(f"{text[:40]!r} is not a fraction of at most {_DIGITS} digits")
    return Fraction(text)


Roots = tuple[tuple[Fraction, Fraction], ...]
"""Pairs (radicand, coefficient): no radicand is a square, nor is the product of any two."""


@total_ordering
class Surd:
    """An exact real ``rest + sum coefficient * sqrt(radicand)``.

    Immutable and hashable.  Supports ``+ - *`` with other exact numbers, ``/`` by a number with
    one root at most, comparison and ``floor``.
    """

    __slots__ = ("_float", "rest", "roots")
    rest: Fraction
    roots: Roots
    _float: float | None

    def __init__(self, rest: Fraction, roots: Roots = ()) -> None:
        self.rest, self.roots, self._float = rest, roots, None

    @classmethod
    def of(cls, value: Surd | Rational | float) -> Surd:
        """Return the exact value of a number; a float counts as the binary rational it stores."""
        if isinstance(value, Surd):
            return value
        return cls(value if isinstance(value, Fraction) else Fraction(value))

    @classmethod
    def root(cls, q: Rational) -> Surd:
        """Return the square root of a rational ``q >= 0``."""
        q = Fraction(q)
        if q < 0:
            raise Unfit(f"square root of the negative number {q}")
        rational = _square_root(q)
        return cls(rational) if rational is not None else cls(_ZERO, ((q, _ONE),))

    @property
    def rational(self) -> Fraction | None:
        """The value as a Fraction, or None if it is irrational."""
        return None if self.roots else self.rest

    @property
    def terms(self) -> Mapping[Fraction, Fraction]:
        """Coefficients by radicand, 1 for the rational part; empty for zero."""
        return dict(((_ONE, self.rest), *self.roots) if self.rest else self.roots)

    def __bool__(self) -> bool:
        return bool(self.roots) or bool(self.rest)

    def __add__(self, other: Surd | Rational) -> Surd:
        other = Surd.of(other)
        if not other:
            return self
        rest = self.rest + other.rest if self.rest else other.rest
        if not other.roots or not self.roots:
            return Surd(rest, self.roots or other.roots)
        total = dict(self.roots)
        for q, coefficient in other.roots:
            key, factor = _class_of(q, total)
            value = total.get(key, _ZERO) + coefficient * factor
            if value:
                total[key] = value
            else:
                del total[key]
        return Surd(rest, tuple(total.items()))

    __radd__ = __add__

    def __neg__(self) -> Surd:
        return Surd(-self.rest, tuple((q, -c) for q, c in self.roots))

    def __sub__(self, other: Surd | Rational) -> Surd:
        return self + (-Surd.of(other))

    def __rsub__(self, other: Surd | Rational) -> Surd:
        return Surd.of(other) - self

    def _times(self, factor: Fraction) -> Surd:
        """Return this number times a rational."""
        if factor == 1 or not factor:
            return self if factor else Surd(_ZERO)
        return Surd(
            self.rest * factor if self.rest else _ZERO,
            tuple((q, c * factor) for q, c in self.roots),
        )

    def __mul__(self, other: Surd | Rational) -> Surd:
        other = Surd.of(other)
        if not other.roots:
            return self._times(other.rest)
        if not self.roots:
            return other._times(self.rest)
        total = Surd(self.rest * other.rest)
        for a, b in ((self, other), (other, self)):
            total += Surd(_ZERO, a.roots)._times(b.rest)
        for p, c in self.roots:
            for q, d in other.roots:
                total += Surd.root(p * q)._times(c * d)
        return total

    __rmul__ = __mul__

    def inverse(self) -> Surd:
        """Return ``1 / self`` for a nonzero number with at most one root.

        Raises:
            ZeroDivisionError: the number is zero.
            ValueError: it has several roots (no chain of affine steps divides by such a slope).
        """
        if not self:
            raise ZeroDivisionError("inverse of zero")
        if not self.roots:
            return Surd(1 / self.rest)
        (q, c), *more = self.roots
        if more:
            raise Unfit(f"inverse of a sum of square roots: {self}")
        if self.rest:  # 1 / (r + c sqrt q) = (r - c sqrt q) / (r^2 - c^2 q)
            return Surd(self.rest, ((q, -c),))._times(1 / (self.rest**2 - c * c * q))
        return Surd(_ZERO, ((q, 1 / (q if c is _ONE else c * q)),))

    def __truediv__(self, other: Surd | Rational) -> Surd:
        return self * Surd.of(other).inverse()

    def _enclose(self, precision: int) -> tuple[Fraction, Fraction]:
        """Return rational bounds whose distance falls with ``precision`` (bits)."""
        low = high = self.rest
        for q, c in self.roots:
            a, b = (Fraction(v, 1 << precision) * c for v in _enclose_root(q, precision))
            low, high = low + min(a, b), high + max(a, b)
        return low, high

    def scaled(self, bits: int) -> int:
        """Return an integer that differs from ``value * 2**bits`` by at most one per term; fast."""
        total = (self.rest.numerator << bits) // self.rest.denominator
        for q, c in self.roots:
            top = c.numerator * c.numerator * q.numerator
            root = isqrt((top << (2 * bits)) // (c.denominator * c.denominator * q.denominator))
            total += root if c > 0 else -root
        return total

    def sign(self) -> int:
        """Return -1, 0 or 1, exactly (the module's docstring says why no sum is a hidden zero)."""
        if not self:
            return 0
        return 1 if (self._approximate() if self.roots else self.rest) > 0 else -1

    def __floor__(self) -> int:
        value = self.rational
        if value is not None:
            return floor(value)
        precision = 64
        while True:
            low, high = self._enclose(precision)
            if floor(low) == floor(high):
                return floor(low)
            precision *= 2  # irrational, so some precision separates it from every integer

    def __ceil__(self) -> int:
        return -floor(-self)

    def __round__(self) -> int:
        """Return the nearest integer, halves away from zero (SPEC.md, "Rounding")."""
        half = Fraction(1, 2)
        return floor(self + half) if self.sign() >= 0 else -floor(half - self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Fraction):
            return self.rational == other
        if not isinstance(other, Surd) or bool(self.roots) != bool(other.roots):
            return False
        return self.rest == other.rest if not self.roots else not self - other

    def __lt__(self, other: Surd | Rational) -> bool:
        if isinstance(other, Surd) and not self.roots and not other.roots:
            return self.rest < other.rest
        return (self - other).sign() < 0

    def __hash__(self) -> int:
        # Equal values may carry different radicands (sqrt 8 = 2 sqrt 2): hash a coarse value.
        return hash(float(f"{float(self):.6g}")) if self.rational is None else hash(self.rational)

    def __abs__(self) -> Surd:
        return -self if self.sign() < 0 else self

    def __float__(self) -> float:
        if self._float is None:
            value = self.rational
            try:
                self._float = float(self._approximate() if value is None else value)
            except OverflowError:
                self._float = self.sign() * inf
        return self._float

    @property
    def fits_float64(self) -> bool:
        """Whether float64 holds the value exactly."""
        top, bottom = self.rest.numerator, self.rest.denominator
        return (
            not self.roots
            and not bottom & (bottom - 1)
            and top.bit_length() <= 53
            and bottom.bit_length() < 1000
        )

    def _approximate(self) -> Fraction:
        """Return the value to a relative error below 2**-64."""
        bits = 128
        while True:
            total = self.scaled(bits)
            if total.bit_length() > 66 + len(self.roots).bit_length():
                return Fraction(total, 1 << bits)
            bits *= 2  # the terms cancel, or are small; they are not zero

    def upper(self, bits: int = 40) -> Fraction:
        """Return a rational at or just above the value, with few digits (for bounds, reports)."""
        _, high = self._enclose(128)
        if high == 0:
            return high
        size = high.numerator.bit_length() - high.denominator.bit_length()
        unit = Fraction(2) ** (size - bits)
        return -floor(-high / unit) * unit

    def __str__(self) -> str:
        parts = [str(c) if q == 1 else f"{c}*sqrt({q})" for q, c in self.terms.items()]
        return "+".join(parts) or "0"

    def __repr__(self) -> str:
        return f"Surd({self})"

    @classmethod
    def parse(cls, text: str) -> Surd:
        """Parse a number in the form of ``str``."""
        total = cls(_ZERO)
        for part in text.split("+"):
            coefficient, _, root = part.partition("*sqrt(")
            value = cls.of(parse_fraction(coefficient))
            total += value * cls.root(parse_fraction(root[:-1])) if root else value
        return total


def _class_of(q: Fraction, roots: Mapping[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    """Return the radicand in ``roots`` that ``q`` is a square multiple of,
    and ``sqrt(q / radicand)``.
    """
    if q not in roots:
        for key in roots:
            factor = _square_root(q / key)
            if factor is not None:
                return key, factor
    return q, _ONE
