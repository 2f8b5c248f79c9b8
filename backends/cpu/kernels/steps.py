"""Comparison tables as counts of passed bounds, rising and falling ones apart, without signs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class Ends(NamedTuple):
    """Least and greatest number of each channel, int64 (C,)."""

    lo: IntArray
    hi: IntArray


@dataclass(frozen=True, eq=False)
class ComparisonCounts:
    """``code = base[c] + sum_k (y > ups[c, k]) - sum_k (y > downs[c, k])``, ``y = x ^ flip[c]``.

    Attributes:
        ups, downs: bounds where the code rises and falls with y, int64 (C, K) each, ascending in
            k; what never is passed has y's greatest number.
        flip: int64 (C,), -1 where most steps of x are the other way, so that ``y = -x - 1``.
        base: int64 (C,).
        y: ends of y.
    """

    ups: IntArray
    downs: IntArray
    flip: IntArray
    base: IntArray
    y: Ends

    def without_base(self) -> ComparisonCounts:
        """Return the same table with one base for all channels, if it needs no more columns.

        What a channel's base has more than the least of all becomes bounds below y's least number,
        which always are passed.
        """
        extra, columns = self.base - self.base.min(), self.ups.shape[1]
        acting = (self.ups < self.y.hi[:, None]).sum(axis=1)
        if not extra.any() or int((acting + extra).max()) > columns:
            return self
        # Bounds that never are passed stand last; as many of them leave at the end.
        at = np.arange(columns) - extra[:, None]
        moved = np.take_along_axis(self.ups, np.maximum(at, 0), axis=1)
        ups = np.where(at < 0, self.y.lo[:, None] - 1, moved)
        return replace(self, ups=ups, base=np.full_like(self.base, self.base.min()))


def steps(bounds: IntArray, signs: IntArray, base: IntArray, ends: Ends) -> ComparisonCounts:
    """Return a table as counts.

    Args:
        bounds, signs, base: of ``base[c] + sum_k signs[c, k] * (x > bounds[c, k])``: (C, K), (C,).
        ends: of x.
    """
    lo, hi = (end[:, None] for end in ends)
    always = bounds < lo
    acts = ~always & (bounds < hi)
    flipped = (acts * signs).sum(axis=1) < 0
    turned = flipped[:, None]
    base = base + (signs * (always | (acts & turned))).sum(axis=1)
    y = Ends(np.where(flipped, -ends.hi - 1, ends.lo), np.where(flipped, -ends.lo - 1, ends.hi))
    # x > b is not -x - 1 > -b - 2.
    met, rises = np.where(turned, -bounds - 2, bounds), (signs > 0) ^ turned
    ups, downs = (_columns(met, acts & wanted, y.hi) for wanted in (rises, ~rises))
    return ComparisonCounts(ups, downs, np.where(flipped, -1, 0), base, y)


def _columns(bounds: IntArray, wanted: NDArray[np.bool_], never: IntArray) -> IntArray:
    """Return the wanted bounds of each channel in order, filled up with bounds never passed."""
    each = np.sort(np.where(wanted, bounds, never[:, None]), axis=1)
    return each[:, : int(wanted.sum(axis=1).max(initial=0))]
