"""Expressions in balls, midpoints with a radius, at a precision that is set (python-flint)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Self

import flint

from n2uqc.frontend.expression import Arithmetic

from ..program.exact import Surd
from ..program.ops.real import Row
from .channel_number import ChannelNumber, Undecided


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Set the bits of balls."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def ball(value: Surd | Fraction) -> Any:
    """Return a ball around an exact number, at the precision that is set."""
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    total = ball(value.rest)
    for radicand, coefficient in value.roots:
        total += ball(radicand).sqrt() * ball(coefficient)
    return total


class _BallArithmetic:
    """Expressions over balls; what is not known to be defined is no number."""

    def number(self, value: Fraction) -> Any:
        return ball(value)

    def pi(self) -> Any:
        return flint.arb.pi()

    def power(self, base: Any, exponent: Fraction) -> Any:
        if exponent.denominator == 1:
            return base ** int(exponent)
        if base < 0:
            raise Undecided(f"a root of {float(base.mid()):g} is not defined")
        return base ** flint.fmpq(exponent.numerator, exponent.denominator)

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        return a - b

    def mul(self, a: Any, b: Any) -> Any:
        return a * b

    def div(self, a: Any, b: Any) -> Any:
        return a / b

    def max(self, a: Any, b: Any) -> Any:
        return a if a >= b else b if b >= a else a.union(b)

    def min(self, a: Any, b: Any) -> Any:
        return a if a <= b else b if b <= a else a.union(b)

    def above(self, a: Any, b: Any, u: Any, v: Any) -> Any:
        return u if a > b else v if a <= b else u.union(v)

    def abs(self, a: Any) -> Any:
        return abs(a)

    def log(self, a: Any) -> Any:
        if a <= 0:
            raise Undecided(f"the logarithm of {float(a.mid()):g} is not defined")
        return a.log()

    def sqrt(self, a: Any) -> Any:
        if a < 0:
            raise Undecided(f"the square root of {float(a.mid()):g} is not defined")
        return a.sqrt()

    def exp(self, a: Any) -> Any:
        return a.exp()

    def expm1(self, a: Any) -> Any:
        return a.expm1()

    def tanh(self, a: Any) -> Any:
        return a.tanh()

    def sin(self, a: Any) -> Any:
        return a.sin()

    def cos(self, a: Any) -> Any:
        return a.cos()

    def atan(self, a: Any) -> Any:
        return a.atan()

    def erf(self, a: Any) -> Any:
        return a.erf()

    def erfc(self, a: Any) -> Any:
        return a.erfc()

    def sigmoid(self, a: Any) -> Any:
        """Compute it from exp of a negative number, of which only the exponent grows."""
        if a > 0:
            return 1 / (1 + (-a).exp())
        e = a.exp()
        return e / (1 + e)

    def softplus(self, a: Any) -> Any:
        return a + (-a).exp().log1p() if a > 0 else a.exp().log1p()


@dataclass(frozen=True)
class Ball(ChannelNumber):
    """A ball that holds a number of one channel."""

    arithmetic: ClassVar[Arithmetic[Any]] = _BallArithmetic()

    def number(self, value: Surd) -> Any:
        return ball(value)

    def branch(
        self, level: Row, below: Callable[[Self], Self], above: Callable[[Self], Self]
    ) -> Self:
        at = self.own(level)
        if self.value < at:
            return below(self)
        if self.value >= at:
            return above(self)
        return replace(self, value=below(self).value.union(above(self).value))
