"""Expressions over one real number x: what a network computes from a value, as exact data.

The text is prefix notation without spaces, so that it fits an attribute of a node and of an
operation: ``mul(x,sigmoid(x))`` is SiLU.  Numbers are exact fractions (``1/6``), ``p0``, ``p1``, …
numbers of each channel, ``pi`` the constant, and ``pow(x,3)`` has a constant exponent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from .diagnostics import Unfit

UNARY = (
    "abs", "atan", "cos", "erf", "erfc", "exp", "expm1", "log", "sigmoid", "sin", "softplus",
    "sqrt", "tanh",
)  # fmt: skip
BINARY = ("add", "div", "max", "min", "mul", "sub")
LARGEST = 200
"""Most terms of an expression, each occurrence of x and each number counted."""

_LONGEST = 20_000  # characters of an expression's text
_GREATEST_EXPONENT = 64
_FINEST_EXPONENT = 2**64  # learned ones are floats

V = TypeVar("V")


class Arithmetic(Protocol[V]):
    """A kind of number that expressions are evaluated over."""

    def number(self, value: Fraction) -> V:
        """Return a constant."""
        ...

    def pi(self) -> V:
        """Return the constant pi."""
        ...

    def power(self, base: V, exponent: Fraction) -> V:
        """Raise to a constant power, neither 0 nor 1."""
        ...

    def call(self, name: str, *arguments: V) -> V:
        """Apply one of ``UNARY`` or ``BINARY``, or ``above(a,b,u,v)``: u where a > b, else v."""
        ...


@dataclass(frozen=True)
class Expression:
    """A term; made by ``number``, ``parameter``, ``call``, ``power`` or ``parse``.

    Attributes:
        op: "x", "number", "parameter", "pi", "pow", or a name of ``UNARY`` or ``BINARY``.
        arguments: terms that it is applied to.
        value: of a number; index of a parameter; exponent of a power.
    """

    op: str
    arguments: tuple[Expression, ...] = ()
    value: Fraction = Fraction(0)

    @property
    def size(self) -> int:
        """Number of terms."""
        return 1 + sum(a.size for a in self.arguments)

    @property
    def parameters(self) -> int:
        """Number of parameters: one more than the greatest index."""
        own = int(self.value) + 1 if self.op == "parameter" else 0
        return max([own, *(a.parameters for a in self.arguments)])

    def evaluate(self, of: Arithmetic[V], x: V, parameters: Sequence[V] = ()) -> V:
        """Return the value at x."""
        if self.op == "x":
            return x
        if self.op == "number":
            return of.number(self.value)
        if self.op == "parameter":
            return parameters[int(self.value)]
        if self.op == "pi":
            return of.pi()
        values = [a.evaluate(of, x, parameters) for a in self.arguments]
        if self.op == "pow":
            return of.power(values[0], self.value)
        return of.call(self.op, *values)

    def __str__(self) -> str:
        if self.op in ("x", "pi"):
            return self.op
        if self.op == "number":
            return str(self.value)
        if self.op == "parameter":
            return f"p{self.value}"
        words = [str(a) for a in self.arguments]
        if self.op == "pow":
            words.append(str(self.value))
        return f"{self.op}({','.join(words)})"


X = Expression("x")
PI = Expression("pi")


def number(value: Fraction | float) -> Expression:
    """Return a constant; a float stands for the binary fraction that it is."""
    return Expression("number", (), Fraction(value))


def parameter(index: int) -> Expression:
    """Return the number of each channel with an index."""
    return Expression("parameter", (), Fraction(index))


def parse(text: str) -> Expression:
    """Return the expression of a text.

    Raises:
        ValueError: it is none, or it is too long.
    """
    if len(text) > _LONGEST or text.count(",") + text.count("(") > LARGEST:
        raise Unfit(f"{text[:40]}… is an expression of more than {LARGEST} terms")
    term, rest = _term(text)
    if rest:
        raise Unfit(f"{text[:40]!r} is no expression: {rest[:20]!r} is left over")
    return term


def _term(text: str) -> tuple[Expression, str]:
    """Parse a term at the start of a text; return it and the rest."""
    end = next((k for k, c in enumerate(text) if c in "(),"), len(text))
    word, rest = text[:end], text[end:]
    if not rest.startswith("("):
        return _atom(word), rest
    arguments: list[Expression] = []
    while rest[:1] in ("(", ","):
        argument, rest = _term(rest[1:])
        arguments.append(argument)
    if not rest.startswith(")"):
        raise Unfit(f"{word}( without its )")
    counts = {**dict.fromkeys(UNARY, 1), **dict.fromkeys((*BINARY, "pow"), 2), "above": 4}
    wanted = counts.get(word, -1)
    if len(arguments) != wanted:
        raise Unfit(f"no function {word[:20]} of {len(arguments)} arguments")
    if word != "pow":
        return Expression(word, tuple(arguments)), rest[1:]
    base, exponent = arguments
    if exponent.op != "number" or exponent.value in (0, 1):
        raise Unfit("a power whose exponent is no constant, or 0 or 1")
    if not fits_exponent(exponent.value):
        raise Unfit(f"a power of {exponent.value}")
    return Expression("pow", (base,), exponent.value), rest[1:]


def fits_exponent(value: Fraction) -> bool:
    """Tell whether a power with this exponent can be evaluated."""
    return abs(value) <= _GREATEST_EXPONENT and value.denominator <= _FINEST_EXPONENT


def _atom(word: str) -> Expression:
    if word == "x":
        return X
    if word == "pi":
        return PI
    if word[:1] == "p" and word[1:].isdecimal() and word.isascii() and len(word) < 4:
        return parameter(int(word[1:]))
    top, slash, bottom = word.removeprefix("-").partition("/")
    if not (word.isascii() and top.isdecimal() and (bottom.isdecimal() if slash else not bottom)):
        raise Unfit(f"{word[:20]!r} is no term of an expression")
    if len(word) > 700 or (slash and not int(bottom)):
        raise Unfit(f"{word[:20]} is no number of an expression")
    return number(Fraction(word))
