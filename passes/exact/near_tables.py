"""Comparison tables of all channels of a tensor at once, in float64 that knows its error.

Functions are those of ``piecewise``, with arrays (C,) in place of numbers; a piece of a channel
may be empty.  A channel with a decision too close to call is marked ``unsure``, to be folded by
``piecewise`` exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..program import Op
from ..program.exact import Surd
from ..program.ops.real import Affine, Quantize, RealClip, RealPRelu
from ..program.types import IntArray
from .near_rows import Mask, Near

_WIDEST = 2**50  # beyond, float64 has no room for a fraction


@dataclass(frozen=True)
class Piece:
    """``f(v) = slope * v + offset`` for ``lo <= v <= hi``, channel by channel; arrays (C,)."""

    lo: IntArray
    hi: IntArray
    slope: Near
    offset: Near

    @property
    def some(self) -> Mask:
        """Channels in which the piece is not empty."""
        return self.lo <= self.hi


@dataclass(frozen=True)
class Steps:
    """Tables in the making: ``base + sum of signs over bounds < v`` for each channel.

    Attributes:
        base: int64 (C,).
        bounds, signs: of all channels one after the other, ascending within each.
        count: how many a channel has, int64 (C,).
        unsure: channels that need the exact fold.
    """

    base: IntArray
    bounds: IntArray
    signs: IntArray
    count: IntArray
    unsure: Mask

    def used(self) -> tuple[IntArray, IntArray]:
        """Bounds and signs of the channels that are sure."""
        sure = np.repeat(~self.unsure, self.count)
        return self.bounds[sure], self.signs[sure]


class NearTable:
    """One table being folded."""

    def __init__(self, scale: Surd, rows: tuple[IntArray, IntArray]) -> None:
        self.lo, self.hi = rows
        channels = len(self.lo)
        self.unsure = (np.abs(self.lo) > _WIDEST) | (np.abs(self.hi) > _WIDEST)
        self.pieces = [Piece(self.lo, self.hi, Near.of((scale,) * channels), Near.zeros(channels))]

    def where(self, f: Piece, level: Near, strict: bool | Mask) -> tuple[IntArray, IntArray]:
        """Runs ``(first, last)`` with ``f > level`` (``>=`` if not strict), empty if crossed.

        ``level`` and ``strict`` may be of shape (K, 1) or (K, C); then so are the runs.
        """
        gap = f.offset - level
        direction, clear = f.slope.signs()
        side, beyond = gap.signs()
        crossing = gap / f.slope  # of opposite sign
        low, high = (
            np.clip(-(crossing.value + e), f.lo - 2.0, f.hi + 2.0)
            for e in (crossing.error, -crossing.error)
        )
        down, up = np.floor(low), np.ceil(low)
        decided = (down == np.floor(high)) & (up == np.ceil(high))
        flat = direction == 0
        sure = clear & np.where(flat, beyond, decided)
        self.unsure |= (~sure & f.some).reshape(-1, len(self.lo)).any(axis=0)
        below, above = (np.where(np.isfinite(v), v, 0).astype(np.int64) for v in (down, up))
        holds = (side > 0) | ((side == 0) & ~np.asarray(strict))
        first = np.where(direction > 0, np.maximum(f.lo, np.where(strict, below + 1, above)), f.lo)
        last = np.where(direction < 0, np.minimum(f.hi, np.where(strict, above - 1, below)), f.hi)
        return first, np.where(flat & ~holds, f.lo - 1, last)

    def split(self, f: Piece, level: Near) -> tuple[Piece, Piece, Piece]:
        """The piece before, at or above, and behind the level."""
        first, last = self.where(f, level, strict=False)
        none = first > last
        first, last = np.where(none, f.hi + 1, first), np.where(none, f.hi, last)
        return (replace(f, hi=first - 1), replace(f, lo=first, hi=last), replace(f, lo=last + 1))

    def affine(self, slope: Near, offset: Near | None = None) -> None:
        """``slope * f + offset``."""
        self.pieces = [
            replace(
                f,
                slope=f.slope * slope,
                offset=f.offset * slope if offset is None else f.offset * slope + offset,
            )
            for f in self.pieces
        ]

    def prelu(self, slope: Near) -> None:
        """``f >= 0 ? f : slope * f``."""
        zero = Near.zeros(1)
        parts = []
        for f in self.pieces:
            before, above, behind = self.split(f, zero)
            bent = (
                replace(p, slope=p.slope * slope, offset=p.offset * slope) for p in (before, behind)
            )
            parts += [above, *bent]
        self.pieces = [p for p in parts if p.some.any()]

    def clip(self, bound: Surd, *, upper: bool) -> None:
        """``max(f, bound)``, or ``min(f, bound)`` if it is the upper one."""
        level, zero = Near.of((bound,) * len(self.lo)), Near.zeros(len(self.lo))
        parts = []
        for f in self.pieces:
            before, above, behind = self.split(f, level)
            held = (above,) if upper else (before, behind)
            kept = (before, behind) if upper else (above,)
            parts += [*kept, *(replace(p, slope=zero, offset=level) for p in held)]
        self.pieces = [p for p in parts if p.some.any()]

    def steps(self, thresholds: Near, strict: Mask) -> Steps:
        """The code ``#{k : f > thresholds[k]}`` (``>=`` where it is not strict).

        Args:
            thresholds: (K, C) or (K, 1).
            strict: bool (K, C) or (K, 1).
        """
        base = np.zeros(len(self.lo), np.int64)
        bounds, deltas = [], []
        for f in self.pieces:
            first, last = self.where(f, thresholds, strict)
            some = first <= last
            starts = first == self.lo
            base += (some & starts).sum(axis=0)
            bounds += [first - 1, last]
            rises, falls = some & ~starts, some & (last < self.hi)
            deltas += [rises.astype(np.int64), -falls.astype(np.int64)]
        return self._merged(base, np.concatenate(bounds).T, np.concatenate(deltas).T)

    def _merged(self, base: IntArray, bounds: IntArray, deltas: IntArray) -> Steps:
        """Events (C, E) sorted, those at one bound added up."""
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
            self.unsure,
        )


def fold(op: Quantize, chain: list[Op], scale: Surd, rows: tuple[IntArray, IntArray]) -> Steps:
    """The steps of a quantizer behind a chain, on the reachable integers of each channel."""
    table = NearTable(scale, rows)
    with np.errstate(all="ignore"):
        for link in chain:
            if isinstance(link, Affine):
                table.affine(Near.of(link.slope), Near.of(link.offset))
            elif isinstance(link, RealPRelu):
                table.prelu(Near.of(link.slope))
            elif isinstance(link, RealClip):
                for bound, upper in ((link.lo, False), (link.hi, True)):
                    if bound is not None:
                        table.clip(bound, upper=upper)
        table.affine(Near.of((op.input_scale,)))
        levels = [Near.of(row) for row in zip(*op.thresholds, strict=True)]
        return table.steps(
            Near(np.stack([v.value for v in levels]), np.stack([v.error for v in levels])),
            np.array(op.rules).T,
        )
