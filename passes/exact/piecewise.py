"""Piecewise-linear functions of an integer, in exact numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from math import ceil, floor

from ..program.exact import Surd


@dataclass(frozen=True, slots=True)
class Segment:
    """``f(v) = slope * v + offset`` for the integers ``lo <= v <= hi``."""

    lo: int
    hi: int
    slope: Surd
    offset: Surd

    def where(self, level: Surd, *, strict: bool) -> tuple[int, int]:
        """The run of integers ``(first, last)`` with ``f(v) > level`` (``>=`` if not strict).

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


Function = tuple[Segment, ...]
"""Segments in order, without gaps."""


def identity(lo: int, hi: int, scale: Surd) -> Function:
    """``f(v) = scale * v`` on ``[lo, hi]``."""
    return (Segment(lo, hi, scale, Surd.of(0)),)


def affine(f: Function, slope: Surd, offset: Surd) -> Function:
    """``slope * f + offset``."""
    return tuple(replace(s, slope=s.slope * slope, offset=s.offset * slope + offset) for s in f)


def split(f: Function, level: Surd) -> list[tuple[Segment, bool]]:
    """The segments cut where f crosses a level; the flag tells ``f >= level``."""
    parts: list[tuple[Segment, bool]] = []
    for s in f:
        first, last = s.where(level, strict=False)
        if first > last:
            parts.append((s, False))
            continue
        if s.lo < first:
            parts.append((replace(s, hi=first - 1), False))
        parts.append((replace(s, lo=first, hi=last), True))
        if last < s.hi:
            parts.append((replace(s, lo=last + 1), False))
    return parts


def prelu(f: Function, slope: Surd) -> Function:
    """``f >= 0 ? f : slope * f``."""
    return tuple(
        s if above else replace(s, slope=s.slope * slope, offset=s.offset * slope)
        for s, above in split(f, Surd.of(0))
    )


def clip(f: Function, lo: Surd | None, hi: Surd | None) -> Function:
    """``min(max(f, lo), hi)``; None is no bound."""
    if lo is not None:
        f = tuple(
            s if above else replace(s, slope=Surd.of(0), offset=lo) for s, above in split(f, lo)
        )
    if hi is not None:
        f = tuple(
            replace(s, slope=Surd.of(0), offset=hi) if above else s for s, above in split(f, hi)
        )
    return f


def steps(
    f: Function, thresholds: Iterable[Surd], *, strict: bool | Sequence[bool]
) -> tuple[int, dict[int, int]]:
    """The code ``#{k : f(v) > thresholds[k]}`` as a base and signed steps.

    Args:
        f: the function.
        thresholds: in any order.
        strict: one rule for all (``>=`` if false), or one for each threshold.

    Returns:
        ``(base, {bound: delta})``: the code is ``base + sum of delta over bound < v`` on the
        whole range; bounds lie inside it and no delta is zero.
    """
    lo, hi = f[0].lo, f[-1].hi
    base, deltas = 0, dict[int, int]()
    rules = repeat(strict) if isinstance(strict, bool) else strict
    for threshold, rule in zip(thresholds, rules, strict=False):
        for s in f:
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
