"""Piecewise-linear functions of an integer, all channels of a tensor at once, in filtered numbers.

Functions are those of ``piecewise``, with arrays (C,) in place of numbers; a piece of a channel
may be empty.  A channel with a decision too close to call is marked ``unsure``, to be folded by
``piecewise`` exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from n2uqc.frontend.expression import Expression

from ..program.exact import Surd
from ..program.ops.real import Elementwise, Number, Quantize, Row, Table
from ..program.types import IntArray
from .filtered import Filtered, Mask

_WIDEST = 2**50  # beyond, float64 has no room for a fraction


@dataclass(frozen=True)
class Piece:
    """``f(v) = slope * v + offset`` for ``lo <= v <= hi``, channel by channel.

    Arrays (C,); slope and offset (1,) where they are those of all channels.
    """

    lo: IntArray
    hi: IntArray
    slope: Filtered
    offset: Filtered

    @property
    def some(self) -> Mask:
        """Return the channels in which the piece is not empty."""
        return self.lo <= self.hi

    def where(self, level: Filtered, strict: bool | Mask) -> tuple[IntArray, IntArray, Mask]:
        """Find the runs ``(first, last)`` with ``f > level`` (``>=`` if not strict).

        ``level`` and ``strict`` may be of shape (K, 1) or (K, C); then so are the runs.  Last, the
        channels (C,) in which they are not certain.
        """
        gap = self.offset - level
        direction, clear = self.slope.signs()
        side, beyond = gap.signs()
        crossing = gap / self.slope  # of opposite sign
        low, high = (
            np.clip(-(crossing.value + e), self.lo - 2.0, self.hi + 2.0)
            for e in (crossing.error, -crossing.error)
        )
        down, up = np.floor(low), np.ceil(low)
        decided = (down == np.floor(high)) & (up == np.ceil(high))
        flat = direction == 0
        sure = clear & np.where(flat, beyond, decided)
        doubt = np.any((~sure & self.some).reshape(-1, len(self.lo)), axis=0)
        below, above = (np.where(np.isfinite(v), v, 0).astype(np.int64) for v in (down, up))
        holds = (side > 0) | ((side == 0) & ~np.asarray(strict))
        start = np.maximum(self.lo, np.where(strict, below + 1, above))
        end = np.minimum(self.hi, np.where(strict, above - 1, below))
        first = np.where(direction > 0, start, self.lo)
        last = np.where(direction < 0, end, self.hi)
        return first, np.where(flat & ~holds, self.lo - 1, last), doubt


@dataclass(frozen=True)
class Steps:
    """Tables of all channels: the code of ``v`` is ``base + sum of signs over bounds < v``.

    Attributes:
        base: int64 (C,).
        bounds, signs: those of all channels in sequence; bounds ascend within a channel.
        count: number of bounds of each channel, int64 (C,).
        unsure: channels that need the exact fold.
    """

    base: IntArray
    bounds: IntArray
    signs: IntArray
    count: IntArray
    unsure: Mask

    def used(self) -> tuple[IntArray, IntArray]:
        """Return bounds and signs of the channels that are sure."""
        sure = np.repeat(~self.unsure, self.count)
        return self.bounds[sure], self.signs[sure]


@dataclass(frozen=True, eq=False)
class FilteredFunction(Number):
    """A function of an integer for each channel, built up step by step.

    Attributes:
        lo, hi: the integers ``lo <= v <= hi`` that it is a function of, int64 (C,).
        pieces: the linear pieces, in any order, without overlap.
        unsure: channels that need the exact fold.
    """

    lo: IntArray
    hi: IntArray
    pieces: tuple[Piece, ...]
    unsure: Mask

    @classmethod
    def identity(cls, rows: tuple[IntArray, IntArray], scale: Surd) -> FilteredFunction:
        """Return ``f(v) = scale * v`` on the integers of each channel."""
        lo, hi = rows
        whole = Piece(lo, hi, Filtered.of((scale,)), Filtered.zero())
        return cls(lo, hi, (whole,), (np.abs(lo) > _WIDEST) | (np.abs(hi) > _WIDEST))

    def times(self, factor: Row) -> FilteredFunction:
        f = Filtered.of(factor)
        pieces = (replace(p, slope=p.slope * f, offset=p.offset * f) for p in self.pieces)
        return replace(self, pieces=tuple(pieces))

    def plus(self, term: Row) -> FilteredFunction:
        t = Filtered.of(term)
        return replace(self, pieces=tuple(replace(p, offset=p.offset + t) for p in self.pieces))

    def constant(self, value: Row) -> FilteredFunction:
        zero, level = Filtered.zero(), Filtered.of(value)
        return replace(
            self, pieces=tuple(replace(p, slope=zero, offset=level) for p in self.pieces)
        )

    def branch(
        self,
        level: Row,
        below: Callable[[FilteredFunction], FilteredFunction],
        above: Callable[[FilteredFunction], FilteredFunction],
    ) -> FilteredFunction:
        at, unsure = Filtered.of(level), self.unsure
        under: list[Piece] = []
        over: list[Piece] = []
        for piece in self.pieces:
            first, last, doubt = piece.where(at, strict=False)
            unsure = unsure | doubt
            none = first > last
            first = np.where(none, piece.hi + 1, first)
            last = np.where(none, piece.hi, last)
            under += [replace(piece, hi=first - 1), replace(piece, lo=last + 1)]
            over.append(replace(piece, lo=first, hi=last))
        lower, upper = (
            step(replace(self, pieces=tuple(p for p in parts if p.some.any()), unsure=unsure))
            for step, parts in ((below, under), (above, over))
        )
        return replace(self, pieces=lower.pieces + upper.pieces, unsure=lower.unsure | upper.unsure)

    def function(self, of: Expression, parameters: Table) -> FilteredFunction:
        raise TypeError(f"{of} is not linear by pieces: curved_chains folds it")

    def steps(self, thresholds: Filtered, strict: Mask) -> Steps:
        """Return the code ``#{k : f > thresholds[k]}`` (``>=`` where it is not strict).

        Args:
            thresholds: (K, C) or (K, 1).
            strict: bool (K, C) or (K, 1).
        """
        base, unsure = np.zeros(len(self.lo), np.int64), self.unsure
        bounds, deltas = [], []
        for piece in self.pieces:
            first, last, doubt = piece.where(thresholds, strict)
            unsure = unsure | doubt
            some = first <= last
            starts = first == self.lo
            base += (some & starts).sum(axis=0)
            bounds += [first - 1, last]
            rises, falls = some & ~starts, some & (last < self.hi)
            deltas += [rises.astype(np.int64), -falls.astype(np.int64)]
        return _merged(base, np.concatenate(bounds).T, np.concatenate(deltas).T, unsure)


def _merged(base: IntArray, bounds: IntArray, deltas: IntArray, unsure: Mask) -> Steps:
    """Sort events (C, E) by their bounds and add up those with the same bound."""
    far = np.iinfo(np.int64).max
    bounds = np.where(deltas == 0, far, bounds)
    order = np.argsort(bounds, axis=1, kind="stable")
    bounds, deltas = (np.take_along_axis(v, order, axis=1) for v in (bounds, deltas))
    ends = np.append(bounds[:, 1:] != bounds[:, :-1], np.ones((len(bounds), 1), bool), axis=1)
    total = np.cumsum(deltas, axis=1)
    # What stood at the end of the bound before: the running maximum of end positions.
    place = np.where(ends, np.arange(1, bounds.shape[1] + 1), 0)
    before = np.maximum.accumulate(np.pad(place, ((0, 0), (1, 0))), axis=1)[:, :-1]
    start = np.take_along_axis(np.pad(total, ((0, 0), (1, 0))), before, axis=1)
    net = np.where(ends, total - start, 0)
    copies = np.abs(net)
    return Steps(
        base,
        np.repeat(bounds.ravel(), copies.ravel()),
        np.repeat(np.sign(net).ravel(), copies.ravel()),
        copies.sum(axis=1),
        unsure,
    )


@np.errstate(all="ignore")
def fold(
    op: Quantize, chain: Sequence[Elementwise], scale: Surd, rows: tuple[IntArray, IntArray]
) -> Steps:
    """Return the steps of a quantizer after a chain, on the reachable integers of each channel."""
    f = FilteredFunction.identity(rows, scale)
    for link in chain:
        f = link.evaluate(f)
    levels = [Filtered.of(row) for row in zip(*op.thresholds, strict=True)]
    return f.times((op.input_scale,)).steps(
        Filtered(np.stack([v.value for v in levels]), np.stack([v.error for v in levels])),
        np.array(op.rules).T,
    )
