"""Check tables after functions such as Sigmoid or GELU against the operations they stand for.

Independent of the passes that are checked: the range of each channel is cut into runs on which the
table is constant, and each run into parts until the bounds of the chain's values on a part, in
extended precision, lie between two thresholds.  Single integers that this leaves open are decided
by mpmath, at 100 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.expression import Expression

from ..program import Op
from ..program.exact import Surd
from ..program.ops.real import Affine, Quantize, RealClip, RealFunction, RealPRelu, Row
from .extended import BoundedArithmetic, LongInterval, nearest
from .relation import Unrelated

Ints = NDArray[np.int64]

_CHUNK = 1 << 14
_MOST_PARTS = 1 << 23  # that are looked at before a table counts as unproved
_DIGITS = 100, 200
_MORE_DIGITS = 800, 3200, 12800  # of functions that may come close to a threshold for ever
_RATIONAL = frozenset("x number parameter abs above add div max min mul sub neg pow".split())
_OPEN_ENDS = {"sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1)}
"""What functions come close to and never reach."""
_SMALL = 1e-40  # differences from a threshold that are looked at again
_ALIKE = 1e-10  # relative, of one difference computed twice


def curved(chain: Sequence[Op]) -> bool:
    """Tell whether a chain is not linear by pieces."""
    return any(isinstance(op, RealFunction) for op in chain)


@dataclass(frozen=True)
class CodeRuns:
    """Runs ``first <= v <= last`` on which a table has one code, each of a channel; int64 (N,)."""

    channel: Ints
    first: Ints
    last: Ints
    code: Ints

    def __getitem__(self, chosen: Any) -> CodeRuns:
        return CodeRuns(
            self.channel[chosen], self.first[chosen], self.last[chosen], self.code[chosen]
        )

    @staticmethod
    def joined(parts: Sequence[CodeRuns]) -> CodeRuns:
        columns = zip(*((p.channel, p.first, p.last, p.code) for p in parts), strict=True)
        return CodeRuns(*(np.concatenate(column) for column in columns))


def runs_of(
    table: Callable[[Ints], Ints], bounds: Ints, channel: int, lo: int, hi: int
) -> CodeRuns:
    """Return the runs of a channel of a table.

    Args:
        table: the table's code for each integer.
        bounds: the integers after which it changes; none of a monotone function, which is searched.
        channel: index of the channel in the network.
        lo, hi: reachable range.
    """
    if not len(bounds) and table(np.array([lo]))[0] != table(np.array([hi]))[0]:
        bounds = _changes(table, lo, hi)
    inside = np.unique(bounds[(bounds >= lo) & (bounds < hi)])
    first, last = np.append(lo, inside + 1), np.append(inside, hi)
    return CodeRuns(np.full(len(first), channel), first, last, table(first))


def _changes(table: Callable[[Ints], Ints], lo: int, hi: int) -> Ints:
    """Find where a monotone table changes, by halving."""
    changes: list[int] = []
    open_ = [(lo, hi)]
    while open_:
        a, b = open_.pop()
        if table(np.array([a]))[0] == table(np.array([b]))[0]:
            continue
        if b == a + 1:
            changes.append(a)
            continue
        middle = (a + b) // 2
        open_ += [(a, middle), (middle, b)]
    return np.array(sorted(changes), np.int64)


class CurveProof:
    """The chains of all channels of one table.

    Attributes:
        exact_count: integers that mpmath decided.
        ties: those among them whose value equals a threshold.
    """

    def __init__(self, slopes: Sequence[Surd], chain: Sequence[Op], quantizer: Quantize) -> None:
        self._slopes, self._chain, self._quantizer = tuple(slopes), chain, quantizer
        self._known: dict[int, tuple[Row, Any, Any]] = {}
        self.exact_count = self.ties = 0

    def differences(self, runs: CodeRuns) -> list[tuple[int, int, int, int]]:
        """Return (channel, value, table code, network code) of some integers that differ.

        Raises:
            Unrelated: the parts to look at become too many.
        """
        differing: list[tuple[int, int, int, int]] = []
        spent = 0
        while len(runs.channel):
            spent += len(runs.channel)
            if spent > _MOST_PARTS:
                raise Unrelated(f"{self._quantizer.output} is too close to thresholds to prove")
            left: list[CodeRuns] = []
            for k in range(0, len(runs.channel), _CHUNK):
                part = runs[k : k + _CHUNK]
                least, most = self._codes(part)
                wrong = (least > part.code) | (most < part.code)
                point = part.first == part.last
                for i in np.flatnonzero(wrong | (point & (least != most))).tolist():
                    c, v, code = (int(a[i]) for a in (part.channel, part.first, part.code))
                    if (own := self._code(c, v)) != code:
                        differing.append((c, v, code, own))
                left.append(part[~wrong & ~point & ((least < part.code) | (most > part.code))])
            rest = CodeRuns.joined(left)
            middle = rest.first + (rest.last - rest.first) // 2
            runs = CodeRuns.joined(
                [
                    CodeRuns(rest.channel, rest.first, middle, rest.code),
                    CodeRuns(rest.channel, middle + 1, rest.last, rest.code),
                ]
            )
        return differing

    def _row(self, row: Row, channel: Ints) -> LongInterval:
        """Return the numbers of channels."""
        if id(row) not in self._known:
            exact = np.array([v.fits_float64 for v in row])
            self._known[id(row)] = row, np.array([nearest(v) for v in row]), exact
        _, values, exact = self._known[id(row)]
        at = channel if len(row) > 1 else np.zeros(1, np.int64)
        near = LongInterval.near(values[at])
        return LongInterval(
            np.where(exact[at], values[at], near.lo), np.where(exact[at], values[at], near.hi)
        )

    @np.errstate(all="ignore")
    def _codes(self, runs: CodeRuns) -> tuple[Ints, Ints]:
        """Return the least and the greatest code that values of runs may have."""
        channel, op = runs.channel, self._quantizer
        x = LongInterval(runs.first.astype(np.longdouble), runs.last.astype(np.longdouble))
        y = x * self._row(self._slopes, channel)
        for link in self._chain:
            y = self._after(link, y, channel)
        y = y * self._row((op.input_scale,), channel)
        low, high = (np.broadcast_to(v, channel.shape) for v in (y.lo, y.hi))
        ends = self._open_ends()
        least, most = np.zeros(len(channel), np.int64), np.zeros(len(channel), np.int64)
        rules = np.array(op.rules)
        for k, level in enumerate(zip(*op.thresholds, strict=True)):
            at = self._row(level, channel)
            strict = rules[channel if len(rules) > 1 else 0, k]
            reached = np.where(strict, low > at.hi, low >= at.hi)
            missed = np.where(strict, high <= at.lo, high < at.lo)
            if ends is not None:
                reached, missed = reached | (at.hi <= ends[0]), missed | (at.lo >= ends[1])
            least += reached
            most += ~missed
        return least, most

    def _open_ends(self) -> tuple[int, int] | None:
        """Return between what numbers the compared values lie, both excluded, if that is known."""
        last = self._chain[-1] if self._chain else None
        if not isinstance(last, RealFunction) or self._quantizer.input_scale != Surd.of(1):
            return None
        return _OPEN_ENDS.get(last.function.op)

    def _after(self, op: Op, y: LongInterval, channel: Ints) -> LongInterval:
        """Return bounds after one operation."""
        if isinstance(op, Affine):
            return y * self._row(op.slope, channel) + self._row(op.offset, channel)
        if isinstance(op, RealPRelu):
            zero = LongInterval(np.zeros(1, np.longdouble), np.zeros(1, np.longdouble))
            return y.larger(zero) + y.smaller(zero) * self._row(op.slope, channel)
        if isinstance(op, RealClip):
            y = y if op.lo is None else y.larger(self._row((op.lo,), channel))
            return y if op.hi is None else y.smaller(self._row((op.hi,), channel))
        if isinstance(op, RealFunction):
            rows = [self._row(row, channel) for row in op.parameters]
            return op.function.evaluate(BoundedArithmetic(), y, rows)
        raise Unrelated(f"no table stands for {op.mnemonic} ({', '.join(op.origin)})")

    def _code(self, channel: int, value: int) -> int:
        """Return the code of one integer, by mpmath.

        A difference from a threshold that is small, and another one at every number of digits, is
        what rounding leaves of 0.
        """
        self.exact_count += 1
        op = self._quantizer
        rational = all(
            not isinstance(link, RealFunction) or _is_rational(link.function)
            for link in self._chain
        )
        gaps = self._gaps(channel, value, _DIGITS[0])
        ties = [abs(gap) < _SMALL for gap in gaps]
        for digits in (*_DIGITS[1:], *(() if rational else _MORE_DIGITS)):
            if not any(ties):
                break
            finer = self._gaps(channel, value, digits)
            ties = [
                tie and (abs(a - b) > _ALIKE * abs(b) or not b)
                for tie, a, b in zip(ties, gaps, finer, strict=True)
            ]
            gaps = finer
        self.ties += any(ties)
        rules = op.rules_of(channel)
        return sum(
            not strict if tie else bool(gap > 0)
            for gap, tie, strict in zip(gaps, ties, rules, strict=True)
        )

    def _gaps(self, channel: int, value: int, digits: int) -> list[Any]:
        """Return how far the value of an integer is above each threshold."""
        op = self._quantizer
        with mpmath.workdps(digits):
            y = _precise(self._slopes[channel]) * value
            for link in self._chain:
                y = _precisely(link, y, channel)
            y = y * _precise(op.input_scale)
            levels = op.thresholds[channel if len(op.thresholds) > 1 else 0]
            return [y - _precise(level) for level in levels]


def _is_rational(function: Expression) -> bool:
    """Return whether a function of a rational number is one."""
    whole = function.op != "pow" or function.value.denominator == 1
    return function.op in _RATIONAL and whole and all(map(_is_rational, function.arguments))


def _precise(value: Surd | Fraction) -> Any:
    """Return an exact number in mpmath's arithmetic."""
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    roots = (_precise(c) * mpmath.sqrt(_precise(q)) for q, c in value.roots)
    return sum(roots, _precise(value.rest))


def _precisely(op: Op, y: Any, channel: int) -> Any:
    """Return the value after one operation."""

    def own(row: Row) -> Any:
        return _precise(row[channel if len(row) > 1 else 0])

    if isinstance(op, Affine):
        return y * own(op.slope) + own(op.offset)
    if isinstance(op, RealPRelu):
        return y if y >= 0 else y * own(op.slope)
    if isinstance(op, RealClip):
        y = y if op.lo is None else max(y, _precise(op.lo))
        return y if op.hi is None else min(y, _precise(op.hi))
    assert isinstance(op, RealFunction)
    return _value(op.function, y, [own(row) for row in op.parameters])


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "above": lambda a, b, u, v: u if a > b else v,
    "add": lambda a, b: a + b,
    "div": lambda a, b: a / b,
    "atan": mpmath.atan,
    "cos": mpmath.cos,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "max": max,
    "min": min,
    "mul": lambda a, b: a * b,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "sin": mpmath.sin,
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
    "sqrt": mpmath.sqrt,
    "sub": lambda a, b: a - b,
    "tanh": mpmath.tanh,
}


class _Precise:
    """Expressions over mpmath's numbers."""

    def number(self, value: Fraction) -> Any:
        return _precise(value)

    def pi(self) -> Any:
        return +mpmath.pi

    def power(self, base: Any, exponent: Fraction) -> Any:
        return mpmath.power(base, _precise(exponent))

    def call(self, name: str, *arguments: Any) -> Any:
        return _FUNCTIONS[name](*arguments)


def _value(function: Expression, x: Any, rows: list[Any]) -> Any:
    return function.evaluate(_Precise(), x, rows)
