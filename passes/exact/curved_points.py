"""The code of one integer after a chain with functions such as Sigmoid or GELU, decided surely.

First in exact numbers, where functions are rational or have a known value (``sigmoid(0) = 1/2``):
only there can a value equal a threshold.  Exp, sigmoid, tanh and erf of a nonzero algebraic number
are transcendental (Lindemann and Weierstrass; Siegel for erf), so no such value is a threshold, and
ball arithmetic decides at some precision (Johansson, "Arb: efficient arbitrary-precision
midpoint-radius interval arithmetic", IEEE Trans. Comput. 66, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from n2uqc.frontend.expression import Expression

from ..program.exact import Surd
from ..program.ops.real import Elementwise, Number, Quantize, Row, Table

MOST_BITS = 4096
"""Precision at which a comparison that is still open is given up."""

_LEAST_BITS = 96
_ZERO, _ONE = Surd.of(0), Surd.of(1)
_AT_ZERO = {
    "exp": _ONE, "expm1": _ZERO, "tanh": _ZERO, "erf": _ZERO, "erfc": _ONE,
    "sigmoid": Surd.of(Fraction(1, 2)),
}  # fmt: skip


class Undecided(Exception):
    """A code that cannot be told; the message says why."""


class _NotAlgebraic(Exception):
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
        if any(v is None for v in arguments) or a is None:
            return None
        if len(arguments) > 1 and (b := arguments[1]) is not None:
            return _of_two(name, a, b)
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
            return _of_two_or_none(self.power(base, -exponent))
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
    inverse = _of_two_or_none(b)
    return None if inverse is None else a * inverse


def _of_two_or_none(b: Maybe) -> Maybe:
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
class _Exact(Number):
    """One exact number of one channel."""

    value: Surd
    channel: int

    def _own(self, row: Row) -> Surd:
        return row[self.channel if len(row) > 1 else 0]

    def times(self, factor: Row) -> _Exact:
        return _Exact(self.value * self._own(factor), self.channel)

    def plus(self, term: Row) -> _Exact:
        return _Exact(self.value + self._own(term), self.channel)

    def constant(self, value: Row) -> _Exact:
        return _Exact(self._own(value), self.channel)

    def branch(
        self, level: Row, below: Callable[[_Exact], _Exact], above: Callable[[_Exact], _Exact]
    ) -> _Exact:
        return below(self) if self.value < self._own(level) else above(self)

    def function(self, of: Expression, parameters: Table) -> _Exact:
        rows = [self._own(row) for row in parameters]
        value = of.evaluate(_ExactArithmetic(), self.value, rows)
        if value is None:
            raise _NotAlgebraic
        return _Exact(value, self.channel)


def _ball(value: Surd | Fraction) -> Any:
    """Return a ball around an exact number, at the precision that is set."""
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    total = _ball(value.rest)
    for radicand, coefficient in value.roots:
        total += _ball(radicand).sqrt() * _ball(coefficient)
    return total


class _BallArithmetic:
    """Expressions over balls; what is not known to be defined is no number."""

    def number(self, value: Fraction) -> Any:
        return _ball(value)

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
class _Ball(Number):
    """A ball that holds a number of one channel."""

    value: Any
    channel: int

    def _own(self, row: Row) -> Any:
        return _ball(row[self.channel if len(row) > 1 else 0])

    def times(self, factor: Row) -> _Ball:
        return _Ball(self.value * self._own(factor), self.channel)

    def plus(self, term: Row) -> _Ball:
        return _Ball(self.value + self._own(term), self.channel)

    def constant(self, value: Row) -> _Ball:
        return _Ball(self._own(value), self.channel)

    def branch(
        self, level: Row, below: Callable[[_Ball], _Ball], above: Callable[[_Ball], _Ball]
    ) -> _Ball:
        at = self._own(level)
        if self.value < at:
            return below(self)
        if self.value >= at:
            return above(self)
        return _Ball(below(self).value.union(above(self).value), self.channel)

    def function(self, of: Expression, parameters: Table) -> _Ball:
        rows = [self._own(row) for row in parameters]
        return _Ball(of.evaluate(_BallArithmetic(), self.value, rows), self.channel)


@contextmanager
def _precision(bits: int) -> Iterator[None]:
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def code_at(
    op: Quantize, chain: Sequence[Elementwise], scale: Surd, channel: int, value: int
) -> int:
    """Return the code of an integer in one channel.

    Args:
        op: the quantizer.
        chain: the operations between the integer tensor and the quantizer, in order.
        scale: real value of the integer 1.
        channel: index of the channel.
        value: the integer.

    Raises:
        Undecided: a function is not defined there, or its value is too close to a threshold.
    """
    thresholds = op.thresholds[channel if len(op.thresholds) > 1 else 0]
    rules = op.rules_of(channel)
    x = scale * value
    try:
        y = _Exact(x, channel)
        for link in chain:
            y = link.evaluate(y)
        exact = y.times((op.input_scale,)).value
        pairs = zip(thresholds, rules, strict=True)
        return sum(exact > t if strict else exact >= t for t, strict in pairs)
    except _NotAlgebraic:
        pass
    bits = _LEAST_BITS
    while bits <= MOST_BITS:
        with _precision(bits):
            ball = _Ball(_ball(x), channel)
            for link in chain:
                ball = link.evaluate(ball)
            code = _counted(ball.times((op.input_scale,)).value, thresholds, rules)
        if code is not None:
            return code
        bits *= 2
    raise Undecided(f"{MOST_BITS} bits do not decide whether it passes a threshold")


def _counted(value: Any, thresholds: Row, rules: tuple[bool, ...]) -> int | None:
    """Return the code of a ball, None if it holds a threshold."""
    code = 0
    for threshold, strict in zip(thresholds, rules, strict=True):
        gap = value - _ball(threshold)
        if gap > 0:
            code += 1
        elif gap.is_zero():
            code += not strict
        elif not gap < 0:
            return None
    return code
