"""Expressions in exact numbers, as far as these express the values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

from n2uqc.frontend.expression import Arithmetic, Expression

from ..program.exact import Surd
from ..program.ops.real import Row, Table
from .channel_number import ChannelNumber, Undecided

_ZERO, _ONE = Surd.of(0), Surd.of(1)
_AT_ZERO = {
    "exp": _ONE, "expm1": _ZERO, "tanh": _ZERO, "erf": _ZERO, "erfc": _ONE,
    "sigmoid": Surd.of(Fraction(1, 2)), "sin": _ZERO, "cos": _ONE, "atan": _ZERO,
}  # fmt: skip


_LONGEST_EXPONENT = 64
"""Greatest numerator and denominator of a power whose value may be such a number."""


class NotAlgebraic(Exception):
    """A value that exact numbers do not express."""


Maybe = Surd | None
"""An exact number, or None for a value that exact numbers do not express."""


class _ExactArithmetic:
    """Expressions over exact numbers, as far as these express the values."""

    def number(self, value: Fraction) -> Maybe:
        return Surd.of(value)

    def pi(self) -> Maybe:
        return None

    def call(self, name: str, *arguments: Maybe) -> Maybe:
        a = arguments[0]
        if name == "mul":
            return _product(a, arguments[1])
        if name == "above":
            b = arguments[1]
            return None if a is None or b is None else arguments[2 if a > b else 3]
        if a is None:
            return None
        if len(arguments) > 1:
            b = arguments[1]
            return None if b is None else _of_two(name, a, b)
        if name == "abs":
            return abs(a)
        if name == "sqrt":
            return self.power(a, Fraction(1, 2))
        if name == "log":
            if a.sign() <= 0:
                raise Undecided(f"the logarithm of {float(a):g} is not defined")
            return _ZERO if a == 1 else None
        return None if a else _AT_ZERO.get(name)

    def power(self, base: Maybe, exponent: Fraction) -> Maybe:
        if base is None:
            return None
        if exponent < 0:
            return _inverse(self.power(base, -exponent))
        if max(exponent.numerator, exponent.denominator) > _LONGEST_EXPONENT:
            return base if base == 0 or base == 1 else None
        root = exponent.denominator
        if root > 1 and base.sign() < 0:
            raise Undecided(f"a root of {float(base):g} is not defined")
        value: Maybe = base
        if root == 2 and base.rational is not None:
            value = Surd.root(base.rational)
        elif root > 1:
            value = _root(base, root)
        if value is None:
            return None
        result = _ONE
        for _ in range(exponent.numerator):
            result = result * value
        return result


def _product(a: Maybe, b: Maybe) -> Maybe:
    """Multiply; 0 times any finite value is 0."""
    if a is not None and b is not None:
        return a * b
    known = b if a is None else a
    return _ZERO if known is not None and not known else None


def _of_two(name: str, a: Surd, b: Surd) -> Maybe:
    if name == "add":
        return a + b
    if name == "sub":
        return a - b
    if name == "max":
        return a if a >= b else b
    if name == "min":
        return a if a <= b else b
    inverse = _inverse(b)
    return None if inverse is None else a * inverse


def _inverse(b: Maybe) -> Maybe:
    """Return 1 / b where exact numbers express it."""
    if b is None:
        return None
    if not b:
        raise Undecided("a division by 0 is not defined")
    try:
        return b.inverse()
    except ValueError:
        return None


def _root(base: Surd, n: int) -> Maybe:
    """Return the n-th root of a rational that is an n-th power."""
    value = base.rational
    if value is None:
        return None
    parts = [_whole_root(v, n) for v in (value.numerator, value.denominator)]
    top, bottom = parts
    return None if top is None or bottom is None else Surd.of(Fraction(top, bottom))


def _whole_root(value: int, n: int) -> int | None:
    low, high = 0, 1 << (value.bit_length() // n + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**n < value:
            low = middle + 1
        else:
            high = middle
    return low if low**n == value else None


@dataclass(frozen=True)
class ExactNumber(ChannelNumber):
    """One exact number of one channel.

    Its ``function`` raises `NotAlgebraic` where exact numbers do not express the value.
    """

    arithmetic: ClassVar[Arithmetic[Any]] = _ExactArithmetic()

    def number(self, value: Surd) -> Surd:
        return value

    def branch(
        self, level: Row, below: Callable[[Self], Self], above: Callable[[Self], Self]
    ) -> Self:
        return below(self) if self.value < self.own(level) else above(self)

    def function(self, of: Expression, parameters: Table) -> Self:
        result = super().function(of, parameters)
        if result.value is None:
            raise NotAlgebraic
        return result
