"""A function of a fixed-point tensor: values and slopes on the integers, and how far it moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import Unfit

from ..program.ops.real import Enclosure, EnclosureArithmetic, RealFunction, floats

Reals = NDArray[np.float64]

NOISE = 2.0**-44
"""Relative: rounding of this analysis, in float64, with a reserve."""
_SPLIT = 64  # of an interval with an unbounded slope
_MOST_VERTICAL = 1 << 14  # of such intervals
_HALVINGS = 30  # after which a root of degree 15 is a quarter as wide


class IntegerFunction(Protocol):
    """What straight pieces are fitted to: a function on the integers ``lo`` to ``hi``.

    Attributes:
        unit: real value of the integer 1; may be negative.
        lo, hi: least and greatest integer.
    """

    @property
    def unit(self) -> Fraction: ...
    @property
    def lo(self) -> int: ...
    @property
    def hi(self) -> int: ...

    def on(self, a: Reals, b: Reals) -> Enclosure:
        """Return bounds of value and slope between integers (N, 1), as arrays (N, C) or (N, 1)."""
        ...


@dataclass(frozen=True)
class Curve:
    """A function on the integers of a fixed-point tensor.

    Attributes:
        op: the function.
        unit: real value of the integer 1; may be negative.
        lo, hi: least and greatest integer.
        slack: by how much a real value may differ from its integer's.
        least, most: what the real value is never below and above; beyond, the function has the
            value that it has there.
    """

    op: RealFunction
    unit: Fraction
    lo: int
    hi: int
    slack: float
    least: float = -np.inf
    most: float = np.inf

    def on(self, a: Reals, b: Reals) -> Enclosure:
        """Return bounds of value and slope between integers (N, 1), as arrays (N, C) or (N, 1).

        A function that does not depend on its argument gives an array without N; it is repeated.
        """
        unit = float(self.unit)
        low, high = (a * unit, b * unit) if unit > 0 else (b * unit, a * unit)
        ends = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
        lo, hi = ends[0] - np.abs(ends[0]) * 2.0**-50, ends[1] + np.abs(ends[1]) * 2.0**-50
        beyond = (lo < self.least) | (hi > self.most)
        constant = (hi <= self.least) | (lo >= self.most)
        lo, hi = np.clip(lo, self.least, self.most), np.clip(hi, self.least, self.most)
        rows = [Enclosure.fixed(floats(row), False) for row in self.op.parameters]
        with np.errstate(all="ignore"):
            enclosed = self.op.function.evaluate(EnclosureArithmetic(), Enclosure.of(lo, hi), rows)
        assert enclosed.slope is not None
        lo, hi, least, most, _ = np.broadcast_arrays(enclosed.lo, enclosed.hi, *enclosed.slope, a)
        least = np.where(constant, 0.0, np.where(beyond, np.minimum(least, 0.0), least))
        most = np.where(constant, 0.0, np.where(beyond, np.maximum(most, 0.0), most))
        return Enclosure(lo, hi, (least, most))

    def between(self, low: int | None, high: int | None) -> Curve:
        """Return the function between two integers, and beyond them what it is there."""
        ends = [None if end is None else end * float(self.unit) for end in (low, high)]
        least, most = ends if self.unit > 0 else ends[::-1]
        return replace(
            self,
            least=self.least if least is None else float(np.clip(least, self.least, self.most)),
            most=self.most if most is None else float(np.clip(most, self.least, self.most)),
        )


@dataclass(frozen=True)
class OuterPart:
    """A function less what it is between two integers: 0 there, and differences beyond them.

    Attributes:
        curve: the function.
        ends: the integers.
    """

    curve: Curve
    ends: tuple[int, int]

    @property
    def unit(self) -> Fraction:
        return self.curve.unit

    @property
    def lo(self) -> int:
        return self.curve.lo

    @property
    def hi(self) -> int:
        return self.curve.hi

    def on(self, a: Reals, b: Reals) -> Enclosure:
        """Return bounds of value and slope between integers (N, 1), as arrays (N, C) or (N, 1)."""
        low, high = self.ends
        sides = (self.curve.between(None, low), self.curve.between(high, None))
        total = Enclosure.fixed(np.zeros(1), True)
        for side, end in zip(sides, (low, high), strict=True):
            here, there = side.on(a, b), side.on(*[np.full_like(a, float(end))] * 2)
            assert here.slope is not None and total.slope is not None
            total = Enclosure(
                np.nextafter(total.lo + (here.lo - there.hi), -np.inf),
                np.nextafter(total.hi + (here.hi - there.lo), np.inf),
                (total.slope[0] + here.slope[0], total.slope[1] + here.slope[1]),
            )
        return total


def moved_by(curve: Curve, error: Fraction) -> Fraction:
    """Return by how much the function's value may change where its argument changes by its error.

    That is the error times the steepest slope. Where the slope has no bound, as a root's at 0, or
    one that says little, it is what the values between both arguments spread by.

    Args:
        curve: the function.
        error: that of its argument, in real units.

    Raises:
        Unfit: the function jumps, is not defined, or is not bounded somewhere.
    """
    if not error:
        return Fraction(0)
    ends = np.linspace(curve.lo - curve.slack - 1, curve.hi + curve.slack + 1, 4097)[:, None]
    slope, spread = _changes(curve, ends[:-1], ends[1:])
    told = _is_told(slope * float(error), spread)
    moved = error * Fraction(float(slope[told].max(initial=0.0)) * (1 + NOISE))
    if told.all():
        return moved
    # Of integers beside such a part the real value may lie in it.
    pieces = np.concatenate([ends[:-1] - curve.slack, ends[1:] + curve.slack], axis=1)[~told]
    return max(moved, Fraction(_spread(curve, pieces, float(error)) * (1 + NOISE)))


def _changes(curve: Curve, a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Return the steepest slope and the spread of values between numbers of integers, (N,)."""
    enclosed = curve.on(a, b)
    assert enclosed.slope is not None
    slope = np.maximum(np.abs(enclosed.slope[0]), np.abs(enclosed.slope[1])).max(axis=1)
    spread = (enclosed.hi - enclosed.lo).max(axis=1)
    return np.where(np.isnan(slope), np.inf, slope), np.where(np.isnan(spread), np.inf, spread)


def _is_told(change: Reals, spread: Reals) -> NDArray[np.bool_]:
    """Tell whether slopes bound a change well: it is not much more than all values' spread."""
    told: NDArray[np.bool_] = np.isfinite(change) & (change <= 2 * spread + NOISE)
    return told


def _spread(curve: Curve, pieces: Reals, error: float) -> float:
    """Return the change by an error between pairs of integers (N, 2) where slopes do not tell it.

    Pieces are split until slopes tell it, until they are short beside the error, or into integers.
    """
    found = 0.0
    while len(pieces):
        length = pieces[:, 1] - pieces[:, 0]
        short, split = length <= curve.slack / 4, length > max(_SPLIT, curve.slack / 4)
        ends = [np.arange(np.floor(a), np.ceil(b) + 1) for a, b in pieces[~short & ~split]]
        whole = np.unique(np.concatenate(ends)) if ends else np.zeros(0)
        cuts = np.linspace(pieces[split, 0], pieces[split, 1], _SPLIT + 1, axis=1)
        last = np.concatenate([pieces[short], np.stack([whole, whole], axis=1)])
        inner = np.stack([cuts[:, :-1].ravel(), cuts[:, 1:].ravel()], axis=1)
        a, b = (each[:, None] for each in np.concatenate([last, inner]).T)
        slope, spread = _changes(curve, a - curve.slack, b + curve.slack)
        least = np.fmin(slope * error, spread)
        rest = ~_is_told(slope * error, spread)
        rest[: len(last)] = False
        _require_continuous(curve, last[np.isinf(slope[: len(last)])].mean(axis=1)[:, None])
        if rest.sum() > _MOST_VERTICAL and np.isfinite(least).all():
            rest[:] = False  # what values spread by is a bound, if a loose one
        found = max(found, float(least[~rest].max(initial=0.0)))
        pieces = inner[rest[len(last) :]]
        if len(pieces) > _MOST_VERTICAL:
            raise Unfit("a function that is not defined, or has no bound, at many places")
    return found


def _require_continuous(curve: Curve, at: Reals) -> None:
    """Require that values near integers (N, 1) spread less where their errors are smaller."""
    a, b = at - curve.slack, at + curve.slack
    first = last = _changes(curve, a, b)[1].max(initial=0.0)
    if not np.isfinite(first):
        raise Unfit(
            "a function that is not defined, or has no bound, somewhere: a root, a logarithm or a "
            "quotient of what may come close to 0"
        )
    for _ in range(_HALVINGS if len(a) else 0):
        # On with the half that has no bound on its slope and spreads more.
        middle = (a + b) / 2
        halves = [_changes(curve, a, middle), _changes(curve, middle, b)]
        steep = [np.isinf(slope) for slope, _ in halves]
        left = steep[0] & (~steep[1] | (halves[0][1] >= halves[1][1]))
        a, b = np.where(left[:, None], a, middle), np.where(left[:, None], middle, b)
        last = np.where(left, halves[0][1], halves[1][1]).max()
    if last > first / 4:
        raise Unfit(
            "a function that jumps (as ThresholdedRelu and Shrink do), or is as steep as one that "
            "does (as a quotient of what comes close to 0)"
        )
