"""Piecewise-linear functions of an integer, in exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from math import ceil, floor

from n2uqc.frontend.expression import Expression

from ..program.exact import Surd
from ..program.ops.real import Number, Row, Table

_ZERO = Surd.of(0)


@dataclass(frozen=True, slots=True)
class Segment:
    """``f(v) = slope * v + offset`` for the integers ``lo <= v <= hi``."""

    lo: int
    hi: int
    slope: Surd
    offset: Surd

    def where(self, level: Surd, *, strict: bool) -> tuple[int, int]:
        """Find the run of integers ``(first, last)`` with ``f(v) > level`` (``>=`` if not strict).

        Empty if ``first > last``.  The only place where a bound becomes an integer: a strict
        comparison takes the integers past the crossing, a loose one also the crossing itself.
        """
        gap = self.offset - level
        direction = self.slope.sign()
        if direction == 0:
            holds = gap.sign() > 0 or (gap.sign() == 0 and not strict)
            return (self.lo, self.hi) if holds else (self.lo, self.lo - 1)
        crossing = -gap / self.slope
        if direction > 0:
            first = floor(crossing) + 1 if strict else ceil(crossing)
            return max(self.lo, first), self.hi
        last = ceil(crossing) - 1 if strict else floor(crossing)
        return self.lo, min(self.hi, last)


@dataclass(frozen=True)
class PiecewiseFunction(Number):
    """A function of an integer in one channel of a tensor.

    Attributes:
        channel: index of the channel, which selects its number in a row.
        segments: in ascending order, without gaps.
    """

    channel: int
    segments: tuple[Segment, ...]

    @classmethod
    def identity(cls, lo: int, hi: int, scale: Surd, channel: int = 0) -> PiecewiseFunction:
        """Return ``f(v) = scale * v`` on ``[lo, hi]``."""
        return cls(channel, (Segment(lo, hi, scale, _ZERO),))

    def _own(self, row: Row) -> Surd:
        return row[self.channel if len(row) > 1 else 0]

    def _of(self, segments: Iterable[Segment]) -> PiecewiseFunction:
        return PiecewiseFunction(self.channel, tuple(segments))

    def times(self, factor: Row) -> PiecewiseFunction:
        f = self._own(factor)
        return self._of(replace(s, slope=s.slope * f, offset=s.offset * f) for s in self.segments)

    def plus(self, term: Row) -> PiecewiseFunction:
        t = self._own(term)
        return self._of(replace(s, offset=s.offset + t) for s in self.segments)

    def constant(self, value: Row) -> PiecewiseFunction:
        return self._of(replace(s, slope=_ZERO, offset=self._own(value)) for s in self.segments)

    def branch(
        self,
        level: Row,
        below: Callable[[PiecewiseFunction], PiecewiseFunction],
        above: Callable[[PiecewiseFunction], PiecewiseFunction],
    ) -> PiecewiseFunction:
        parts: list[Segment] = []
        for segment, reached in self._split(self._own(level)):
            parts += (above if reached else below)(self._of([segment])).segments
        return self._of(parts)

    def function(self, of: Expression, parameters: Table) -> PiecewiseFunction:
        raise TypeError(f"{of} is not linear by pieces: curved_chains folds it")

    def _split(self, level: Surd) -> Iterator[tuple[Segment, bool]]:
        """Yield segments cut where the function crosses a level, and whether ``f >= level``."""
        for s in self.segments:
            first, last = s.where(level, strict=False)
            if first > last:
                yield s, False
                continue
            if s.lo < first:
                yield replace(s, hi=first - 1), False
            yield replace(s, lo=first, hi=last), True
            if last < s.hi:
                yield replace(s, lo=last + 1), False

    def steps(
        self, thresholds: Iterable[Surd], *, strict: bool | Sequence[bool]
    ) -> tuple[int, dict[int, int]]:
        """Return the code ``#{k : f(v) > thresholds[k]}`` as a base and signed steps.

        Args:
            thresholds: in any order.
            strict: one rule for all (``>=`` if false), or one for each threshold.

        Returns:
            ``(base, {bound: delta})``: the code is ``base + sum of delta over bound < v`` on the
            whole range; bounds lie inside it and no delta is zero.
        """
        lo, hi = self.segments[0].lo, self.segments[-1].hi
        base, deltas = 0, dict[int, int]()
        rules = repeat(strict) if isinstance(strict, bool) else strict
        for threshold, rule in zip(thresholds, rules, strict=False):
            for s in self.segments:
                first, last = s.where(threshold, strict=rule)
                if first > last:
                    continue
                if first == lo:
                    base += 1
                else:
                    deltas[first - 1] = deltas.get(first - 1, 0) + 1
                if last < hi:
                    deltas[last] = deltas.get(last, 0) - 1
        return base, {bound: d for bound, d in sorted(deltas.items()) if d}
