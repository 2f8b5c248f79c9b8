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

Rational = int | Fraction

_ONE = Fraction(1)


def _square_root(q: Fraction) -> Fraction | None:
    """The rational square root of ``q`` >= 0 if it has one."""
    root = Fraction(isqrt(q.numerator), isqrt(q.denominator))
    return root if root * root == q else None


def _enclose_root(q: Fraction, precision: int) -> tuple[int, int]:
    """Integers ``(lo, hi)`` with ``lo <= sqrt(q) * 2**precision <= hi`` and ``hi - lo <= 1``."""
    scaled = q * (1 << (2 * precision))
    low = isqrt(scaled.numerator // scaled.denominator)
    return low, low if low * low == scaled else low + 1


@total_ordering
class Surd:
    """An exact real ``sum_q coefficient_q * sqrt(q)``; ``q == 1`` holds the rational part.

    Immutable and hashable.  Supports ``+ - *`` with other exact numbers, ``/`` by a number of one
    term, comparison and ``floor``.
    """

    __slots__ = ("_float", "terms")
    terms: Mapping[Fraction, Fraction]  # no radicand but 1 is a square, no coefficient is 0
    _float: float | None

    def __init__(self, terms: Mapping[Fraction, Fraction]) -> None:
        self.terms = terms
        self._float = None

    @classmethod
    def of(cls, value: Surd | Rational | float) -> Surd:
        """The exact value of a number; a float counts as the binary rational it stores."""
        if isinstance(value, Surd):
            return value
        rational = value if isinstance(value, Fraction) else Fraction(value)
        return cls({_ONE: rational} if rational else {})

    @classmethod
    def root(cls, q: Rational) -> Surd:
        """The square root of a rational ``q >= 0``."""
        q = Fraction(q)
        if q < 0:
            raise ValueError(f"square root of the negative number {q}")
        rational = _square_root(q)
        return cls.of(rational) if rational is not None else cls({q: _ONE})

    @property
    def rational(self) -> Fraction | None:
        """The value as a Fraction, or None if it is irrational."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(_ONE) if len(self.terms) == 1 else None

    def __add__(self, other: Surd | Rational) -> Surd:
        other = Surd.of(other)
        if not self.terms or not other.terms:
            return self if self.terms else other
        terms = dict(self.terms)
        for q, coefficient in other.terms.items():
            key, factor = _class_of(q, terms)
            if key not in terms:
                terms[key] = coefficient
                continue
            total = terms[key] + (coefficient if factor is _ONE else coefficient * factor)
            if total:
                terms[key] = total
            else:
                terms.pop(key, None)
        return Surd(terms)

    __radd__ = __add__

    def __neg__(self) -> Surd:
        return Surd({q: -c for q, c in self.terms.items()})

    def __sub__(self, other: Surd | Rational) -> Surd:
        return self + (-Surd.of(other))

    def __rsub__(self, other: Surd | Rational) -> Surd:
        return Surd.of(other) - self

    def __mul__(self, other: Surd | Rational) -> Surd:
        other = Surd.of(other)
        for a, b in ((self, other), (other, self)):
            factor = b.rational
            if factor is not None:  # no new root
                return a if factor == 1 else Surd(
                    {q: c * factor for q, c in a.terms.items()} if factor else {}
                )
        total = Surd({})
        for p, c in self.terms.items():
            for q, d in other.terms.items():
                if p == 1 or q == 1:  # no new root
                    total += Surd({q if p == 1 else p: c * d})
                else:
                    total += Surd({k: v * c * d for k, v in Surd.root(p * q).terms.items()})
        return total

    __rmul__ = __mul__

    def inverse(self) -> Surd:
        """``1 / self`` for a nonzero number of one term.

        Raises:
            ZeroDivisionError: the number is zero.
            ValueError: it has several terms (no chain of affine steps divides by such a slope).
        """
        if not self.terms:
            raise ZeroDivisionError("inverse of zero")
        if len(self.terms) > 1:
            raise ValueError(f"inverse of a sum of square roots: {self}")
        (q, c), = self.terms.items()
        return Surd({q: 1 / (c * q)})

    def __truediv__(self, other: Surd | Rational) -> Surd:
        return self * Surd.of(other).inverse()

    def _enclose(self, precision: int) -> tuple[Fraction, Fraction]:
        """Rational bounds whose distance falls with ``precision`` (bits)."""
        low = high = Fraction(0)
        for q, c in self.terms.items():
            if q == 1:
                low, high = low + c, high + c
                continue
            a, b = (Fraction(v, 1 << precision) * c for v in _enclose_root(q, precision))
            low, high = low + min(a, b), high + max(a, b)
        return low, high

    def scaled(self, bits: int) -> int:
        """An integer within one unit a term of ``value * 2**bits`` (bits >= 0); quick."""
        total = 0
        for q, c in self.terms.items():
            if q == 1:
                total += (c.numerator << bits) // c.denominator
                continue
            top = c.numerator * c.numerator * q.numerator
            root = isqrt((top << (2 * bits)) // (c.denominator * c.denominator * q.denominator))
            total += root if c > 0 else -root
        return total

    def sign(self) -> int:
        """-1, 0 or 1; always exact (see the module's text for why no sum is a hidden zero)."""
        if not self.terms:
            return 0
        value = self.rational
        return 1 if (self._approximate() if value is None else value) > 0 else -1

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
        """Nearest integer, halves away from zero (SPEC.md, "Rounding")."""
        half = Fraction(1, 2)
        return floor(self + half) if self.sign() >= 0 else -floor(half - self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Fraction):
            return self.rational == other
        return isinstance(other, Surd) and (
            self.terms == other.terms or not (self - other).terms
        )

    def __lt__(self, other: Surd | Rational) -> bool:
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

    def __bool__(self) -> bool:
        return bool(self.terms)

    def _approximate(self) -> Fraction:
        """The value to a relative error below 2**-64."""
        bits = 128
        while True:
            total = self.scaled(bits)
            if total.bit_length() > 66 + len(self.terms).bit_length():
                return Fraction(total, 1 << bits)
            bits *= 2  # the terms cancel, or are small; they are not zero

    def upper(self, bits: int = 40) -> Fraction:
        """A rational at or just above the value, with few digits (for bounds, reports)."""
        _, high = self._enclose(128)
        if high == 0:
            return high
        unit = Fraction(2) ** (floor(abs(high)).bit_length() - bits)
        return -floor(-high / unit) * unit

    def __str__(self) -> str:
        parts = [str(c) if q == 1 else f"{c}*sqrt({q})" for q, c in self.terms.items()]
        return "+".join(parts) or "0"

    def __repr__(self) -> str:
        return f"Surd({self})"

    @classmethod
    def parse(cls, text: str) -> Surd:
        """The inverse of ``str``."""
        total = cls({})
        for part in text.split("+"):
            coefficient, _, root = part.partition("*sqrt(")
            value = cls.of(Fraction(coefficient))
            total += value * cls.root(Fraction(root[:-1])) if root else value
        return total


def _class_of(q: Fraction, terms: Mapping[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    """The radicand in ``terms`` that ``q`` is a square multiple of, and ``sqrt(q / radicand)``."""
    if q not in terms and q != 1:
        for key in terms:
            factor = None if key == 1 else _square_root(q / key)
            if factor is not None:
                return key, factor
    return q, _ONE
