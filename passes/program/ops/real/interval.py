"""Intervals that values cannot leave, channel by channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from n2uqc.frontend.expression import Expression

from .algebra import Number, Reals, Row, Table, floats
from .enclosure import Enclosure, EnclosureArithmetic

_PARTS = 64  # into which a range is cut where a function is bounded on it


@dataclass(frozen=True, eq=False)
class Interval(Number):
    """Least and greatest value of each channel, float64 (C,).

    Steps are computed in float64 and not rounded outwards; a caller that needs proven bounds widens
    them (``real_ranges``).
    """

    lo: Reals
    hi: Reals

    @property
    def most(self) -> Reals:
        """Return the greatest magnitude of each channel."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def times(self, factor: Row) -> Interval:
        f = floats(factor)
        ends = self.lo * f, self.hi * f
        return Interval(np.minimum(*ends), np.maximum(*ends))

    def plus(self, term: Row) -> Interval:
        t = floats(term)
        return Interval(self.lo + t, self.hi + t)

    def constant(self, value: Row) -> Interval:
        row = np.broadcast_to(floats(value), self.lo.shape)
        return Interval(row, row)

    def branch(
        self,
        level: Row,
        below: Callable[[Interval], Interval],
        above: Callable[[Interval], Interval],
    ) -> Interval:
        at = floats(level)
        under = below(Interval(self.lo, np.minimum(self.hi, at)))
        over = above(Interval(np.maximum(self.lo, at), self.hi))
        whole = under.union(over)
        none_under, none_over = self.lo >= at, self.hi < at
        return Interval(
            np.where(none_under, over.lo, np.where(none_over, under.lo, whole.lo)),
            np.where(none_under, over.hi, np.where(none_over, under.hi, whole.hi)),
        )

    def function(self, of: Expression, parameters: Table) -> Interval:
        """Bound the function on parts of the range: the bound is the closer, the more parts."""
        parts = np.linspace(0.0, 1.0, _PARTS + 1)[:, None]
        with np.errstate(all="ignore"):
            cuts = self.lo + parts * (self.hi - self.lo)
        bounded = np.isfinite(self.lo) & np.isfinite(self.hi)
        lo, hi = (
            np.where(bounded, v, end) for v, end in ((cuts[:-1], self.lo), (cuts[1:], self.hi))
        )
        hi[-1] = self.hi
        rows = [floats(row) for row in parameters]
        values = of.evaluate(
            EnclosureArithmetic(slopes=False),
            Enclosure(lo, hi),
            [Enclosure.fixed(row, False, slopes=False) for row in rows],
        )
        low, high = (np.broadcast_to(v, lo.shape) for v in (values.lo, values.hi))
        return Interval(
            np.where(np.isnan(low), -np.inf, low).min(axis=0),
            np.where(np.isnan(high), np.inf, high).max(axis=0),
        )

    def union(self, other: Interval) -> Interval:
        """Return the least interval that holds both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))
