"""Tables of chains with functions that are not linear by pieces: Sigmoid, SiLU, GELU, …

The integers of each channel are cut into runs on which interval arithmetic proves that the code is
one, or that the chain rises or falls throughout; there bisection finds where the code changes.  The
points that float64 leaves undecided are decided one by one (``curved_points``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.expression import Expression

from ..program.exact import Surd
from ..program.ops.real import (
    Elementwise,
    Enclosure,
    EnclosureArithmetic,
    Number,
    Quantize,
    RealFunction,
    Row,
    Table,
    floats,
)
from ..program.types import IntArray
from .channel_number import Undecided
from .curved_points import code_at
from .filtered_functions import Steps

Floats = NDArray[np.float64]

_CHUNK = 1 << 14  # runs evaluated at once
_MOST_RUNS = 1 << 23  # that are evaluated before giving up


class _Rows:
    """The numbers of each channel in float64, each row converted once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Row, Floats, NDArray[np.bool_]]] = {}

    def of(self, row: Row, channels: IntArray, *, slopes: bool) -> Enclosure:
        """Return a row's numbers in the channels of some items."""
        if id(row) not in self._known:
            exact = np.array([v.fits_float64 for v in row])
            self._known[id(row)] = row, floats(row), exact
        _, values, exact = self._known[id(row)]
        at = channels if len(row) > 1 else np.zeros(1, np.int64)
        return Enclosure.fixed(values[at], exact[at], slopes=slopes)


@dataclass(frozen=True, eq=False)
class _Ranges(Number):
    """Values of a chain on runs of integers, each of a channel.

    Attributes:
        enclosure: bounds of values (N,), and of slopes where they are asked for.
        channels: the channel of each, int64 (N,).
        rows: numbers of the channels.
    """

    enclosure: Enclosure
    channels: IntArray
    rows: _Rows

    @property
    def arithmetic(self) -> EnclosureArithmetic:
        return EnclosureArithmetic(slopes=self.enclosure.slope is not None)

    def own(self, row: Row) -> Enclosure:
        return self.rows.of(row, self.channels, slopes=self.enclosure.slope is not None)

    def _with(self, enclosure: Enclosure) -> _Ranges:
        return _Ranges(enclosure, self.channels, self.rows)

    def times(self, factor: Row) -> _Ranges:
        return self._with(self.arithmetic.call("mul", self.enclosure, self.own(factor)))

    def plus(self, term: Row) -> _Ranges:
        return self._with(self.arithmetic.call("add", self.enclosure, self.own(term)))

    def constant(self, value: Row) -> _Ranges:
        return self._with(self.own(value))

    def function(self, of: Expression, parameters: Table) -> _Ranges:
        rows = [self.own(row) for row in parameters]
        return self._with(of.evaluate(self.arithmetic, self.enclosure, rows))

    def branch(
        self, level: Row, below: Callable[[_Ranges], _Ranges], above: Callable[[_Ranges], _Ranges]
    ) -> _Ranges:
        at, x = self.own(level), self.enclosure
        under = below(
            self._with(Enclosure(np.minimum(x.lo, at.hi), np.minimum(x.hi, at.hi), x.slope))
        ).enclosure
        over = above(
            self._with(Enclosure(np.maximum(x.lo, at.lo), np.maximum(x.hi, at.lo), x.slope))
        ).enclosure
        only_over, only_under = x.lo >= at.hi, x.hi < at.lo

        def chosen(under: Floats, over: Floats, hull: Callable[..., Floats]) -> Floats:
            return np.where(only_over, over, np.where(only_under, under, hull(under, over)))

        slope = None
        if under.slope is not None and over.slope is not None:
            slope = (
                chosen(under.slope[0], over.slope[0], np.minimum),
                chosen(under.slope[1], over.slope[1], np.maximum),
            )
        return self._with(
            Enclosure(
                chosen(under.lo, over.lo, np.minimum), chosen(under.hi, over.hi, np.maximum), slope
            )
        )


@dataclass(frozen=True)
class _Runs:
    """Runs of integers ``first <= v <= last``, each of a channel; int64 (N,)."""

    channel: IntArray
    first: IntArray
    last: IntArray

    def __len__(self) -> int:
        return len(self.channel)

    def where(self, chosen: NDArray[np.bool_]) -> _Runs:
        return _Runs(self.channel[chosen], self.first[chosen], self.last[chosen])

    def halves(self) -> _Runs:
        middle = self.first + (self.last - self.first) // 2
        return _Runs(
            np.concatenate([self.channel, self.channel]),
            np.concatenate([self.first, middle + 1]),
            np.concatenate([middle, self.last]),
        )


@dataclass(frozen=True)
class _Codes:
    """Bounds on the codes of runs, and whether the chain is known to be monotone; (N,)."""

    least: IntArray
    most: IntArray
    monotone: NDArray[np.bool_]
    defined: NDArray[np.bool_]


class _Chain:
    """A quantizer after a chain, in float64.

    Attributes:
        constant_runs: runs on which the code is one, as rows (channel, first, code).
    """

    def __init__(self, op: Quantize, chain: Sequence[Elementwise], scale: Surd) -> None:
        self.op, self.chain, self.scale = op, chain, scale
        self.rows, self.spent = _Rows(), 0
        self.levels = [tuple(row) for row in zip(*op.thresholds, strict=True)]
        self.rules = np.array(op.rules)
        self.constant_runs: list[IntArray] = []

    def codes(self, runs: _Runs, *, slopes: bool = True) -> _Codes:
        """Bound the codes of runs."""
        self.spent += len(runs)
        if self.spent > _MOST_RUNS:
            raise Undecided(f"{_MOST_RUNS} parts of its range do not decide where it rises")
        parts = [
            self._codes(
                _Runs(*(v[k : k + _CHUNK] for v in (runs.channel, runs.first, runs.last))), slopes
            )
            for k in range(0, max(len(runs), 1), _CHUNK)
        ]
        joined = (
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("least", "most", "monotone", "defined")
        )
        return _Codes(*joined)

    def _codes(self, runs: _Runs, slopes: bool) -> _Codes:
        count = len(runs)
        lo, hi = (_float(v, way) for v, way in ((runs.first, -np.inf), (runs.last, np.inf)))
        x = Enclosure.of(lo, hi) if slopes else Enclosure(lo, hi)
        y = _Ranges(x, runs.channel, self.rows).times((self.scale,))
        with np.errstate(all="ignore"):
            for link in self.chain:
                y = link.evaluate(y)
            y = y.times((self.op.input_scale,))
        low, high = (np.broadcast_to(v, count) for v in (y.enclosure.lo, y.enclosure.hi))
        least, most = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for k, level in enumerate(self.levels):
            at = self.rows.of(level, runs.channel, slopes=False)
            strict = self.rules[runs.channel if len(self.rules) > 1 else 0, k]
            least += np.where(strict, low > at.hi, low >= at.hi)
            most += ~np.where(strict, high <= at.lo, high < at.lo)
        monotone = np.zeros(count, bool)
        if y.enclosure.slope is not None:
            down, up = (np.broadcast_to(v, count) for v in y.enclosure.slope)
            monotone = (down >= 0) | (up <= 0)
        return _Codes(least, most, monotone, ~np.isnan(low) & ~np.isnan(high))

    def at(self, channel: IntArray, value: IntArray) -> IntArray:
        """Return the codes of integers, exactly."""
        bounds = self.codes(_Runs(channel, value, value), slopes=False)
        codes = bounds.least.copy()
        for i in np.flatnonzero((bounds.least != bounds.most) | ~bounds.defined).tolist():
            c, v = int(channel[i]), int(value[i])
            try:
                codes[i] = code_at(self.op, self.chain, self.scale, c, v)
            except Undecided as reason:
                raise Undecided(f"{reason}, at {v} of channel {c}") from None
        return codes

    def keep(self, channel: IntArray, first: IntArray, code: IntArray) -> None:
        self.constant_runs.append(np.stack([channel, first, code]))

    def search(self, runs: _Runs) -> None:
        """Find all runs of one code."""
        bends: list[_Runs] = []
        while len(runs):
            codes = self.codes(runs)
            one = (codes.least == codes.most) & codes.defined
            self.keep(runs.channel[one], runs.first[one], codes.least[one])
            rest = ~one & (codes.monotone & codes.defined | (runs.first == runs.last))
            bends.append(runs.where(rest))
            left = runs.where(~one & ~rest)
            lost = ~codes.defined[~one & ~rest]
            self.at(left.channel[lost], left.first[lost])  # refuses, if there is no value
            runs = left.halves()
        if bends:
            columns = zip(*map(_columns, bends), strict=True)
            self._bisect(_Runs(*(np.concatenate(column) for column in columns)))

    def _bisect(self, runs: _Runs) -> None:
        """Find the changes of code where the chain rises or falls throughout."""
        left, right = (self.at(runs.channel, v) for v in (runs.first, runs.last))
        self.keep(runs.channel, runs.first, left)
        while True:
            differ = left != right
            near = differ & (runs.last == runs.first + 1)
            self.keep(runs.channel[near], runs.last[near], right[near])
            open_ = differ & ~near
            if not open_.any():
                return
            runs, left, right = runs.where(open_), left[open_], right[open_]
            middle = runs.first + (runs.last - runs.first) // 2
            code = self.at(runs.channel, middle)
            runs = _Runs(
                np.concatenate([runs.channel, runs.channel]),
                np.concatenate([runs.first, middle]),
                np.concatenate([middle, runs.last]),
            )
            left, right = np.concatenate([left, code]), np.concatenate([code, right])


def _columns(runs: _Runs) -> tuple[IntArray, IntArray, IntArray]:
    return runs.channel, runs.first, runs.last


def _float(values: IntArray, way: float) -> Floats:
    """Convert integers; those beyond float64's integers are rounded one way."""
    nearest = values.astype(np.float64)
    return np.where(np.abs(values) <= 2**53, nearest, np.nextafter(nearest, way))


def is_curved(chain: Sequence[Elementwise]) -> bool:
    """Tell whether a chain is not linear by pieces."""
    return any(isinstance(link, RealFunction) for link in chain)


def fold_curved(
    op: Quantize, chain: Sequence[Elementwise], scale: Surd, rows: tuple[IntArray, IntArray]
) -> Steps:
    """Return the steps of a quantizer after a chain, on the reachable integers of each channel.

    Raises:
        Undecided: a function is not defined for a reachable integer, or its value is too close to a
            threshold to tell.
    """
    lo, hi = rows
    search = _Chain(op, chain, scale)
    search.search(_Runs(np.arange(len(lo)), lo.astype(np.int64), hi.astype(np.int64)))
    channel, first, code = np.concatenate(search.constant_runs, axis=1)
    order = np.lexsort((first, channel))
    channel, first, code = channel[order], first[order], code[order]
    starts = np.append(True, channel[1:] != channel[:-1])
    delta = np.where(starts, 0, np.diff(code, prepend=code[:1]))
    copies = np.abs(delta)
    return Steps(
        code[starts],
        np.repeat(first - 1, copies),
        np.repeat(np.sign(delta), copies),
        np.bincount(channel, weights=copies, minlength=len(lo)).astype(np.int64),
        np.zeros(len(lo), bool),
    )
