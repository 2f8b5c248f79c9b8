"""Intervals that values cannot leave, channel by channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .algebra import Number, Reals, Row, floats


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

    def union(self, other: Interval) -> Interval:
        """Return the least interval that holds both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))
