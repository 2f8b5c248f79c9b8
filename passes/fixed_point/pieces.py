"""Straight pieces in place of a function, with a proven bound on what they miss.

On a part ``[a, b]`` of a piece, the difference ``g`` of function and line has a slope between
bounds ``l`` and ``u``, from interval arithmetic, and known values at both ends.  So
``g(x) <= min(g(a) + u (x - a), g(b) - l (b - x))``, whose greatest value is at an end or where both
lines meet; from below likewise.  The function's second derivative is not asked for: where ``u - l``
shrinks with the part's width, the bound shrinks with its square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import Unfit

from .curves import NOISE, IntegerFunction, Reals

MOST_STEPS = 28
"""Bits of the steepest slope, in steps of the result for one of the argument."""
_FEW = 256  # integers of which each gets a piece of its own: codes, however coarse
_PARTS = 4  # parts of a piece, of which each is bounded
_TAIL_PARTS = 64
_MUCH = 4  # times what is wanted: worth a table of its own
_ONE_PLACE = 1 / 16  # the most of all pieces that lie at one place
_CUTS, _CUT_RATIO = 80, 5 / 6  # where a tail may begin


@dataclass(frozen=True)
class Pieces:
    """Straight pieces: integers ``start + i * 2**step`` begin them.

    Attributes:
        base, slope: float64 (N, C) or (N, 1): value at the beginning, and slope per integer.
    """

    start: int
    step: int
    base: Reals
    slope: Reals


def chosen(
    curve: IntegerFunction, wanted: float, most: int, within: tuple[int, int] | None = None
) -> Pieces:
    """Return the fewest pieces that miss no more than ``wanted``, or the most there may be.

    Args:
        curve: the function.
        wanted: what pieces may miss, in its unit.
        most: the number of pieces.
        within: integers outside of which the function is constant; None: not known.
    """
    few = curve.hi - curve.lo < _FEW
    if within is not None:
        first, last = within[0], within[1] - 1
    else:
        first, last = (curve.lo, curve.hi) if few else _inner(curve, wanted)
    length = last - first + 1
    least = max(0, (-(-length // most) - 1).bit_length())  # the shortest pieces there may be
    step = least if few else max(least, (length // 16).bit_length() - 1)
    while True:
        count = -(-length // (1 << step))
        if within is None:
            pieces = chords(curve, first, step, count)
        else:  # with one more at both sides, for the constants
            pieces = chords(curve, first - (1 << step), step, count + 2)
        below, above = missed(curve, pieces)
        off = float((above - below).max()) / 2
        if off <= wanted or step == least:
            return pieces
        # Halving pieces quarters what smooth functions miss, and halves it at a kink.
        step = max(least, step - max(1, int(np.log2(off / wanted) / 2)))


def steep_part(curve: IntegerFunction, pieces: Pieces, wanted: float) -> tuple[int, int] | None:
    """Return integers between which pieces miss much more than ``wanted``; None: not in one place.

    A root near 0 is such a place: what a finer table of it alone would mend.
    """
    below, above = missed(curve, pieces)
    where = np.flatnonzero(((above - below) / 2).max(axis=1) > _MUCH * wanted)
    count = len(pieces.base)
    if not len(where) or where[-1] - where[0] + 1 > count * _ONE_PLACE:
        return None
    ends = (pieces.start + (int(k) << pieces.step) for k in (where[0], where[-1] + 1))
    low, high = (min(max(end, curve.lo), curve.hi) for end in ends)
    outer = (0, count - 1)
    if any(k in outer and abs(e) > high - low for k, e in ((where[0], low), (where[-1], high))):
        return None  # a tail
    return (low, high) if low < high else None


def _inner(curve: IntegerFunction, wanted: float) -> tuple[int, int]:
    """Return the part outside of which a straight line is close enough, on both sides."""
    ends = []
    for end in (curve.lo, curve.hi):
        cut = end
        close, far = 0, _CUTS  # a tail may begin at the former cut, and not at the latter
        while far - close > 1:
            k = (close + far) // 2
            near = int(end * _CUT_RATIO**k)
            if abs(near) * abs(float(curve.unit)) >= 1 and _straight(curve, near, end, wanted):
                close, cut = k, near
            else:
                far = k
        ends.append(cut)
    return min(ends), max(ends)


def _straight(curve: IntegerFunction, near: int, far: int, wanted: float) -> bool:
    """Tell whether a line through both ends misses little between them."""
    a, b = sorted((near, far))
    values = _values(curve, np.array([[float(a)], [float(b)]]))
    line = Pieces(a, 62, values[:1], (values[1:] - values[:1]) / max(1, b - a))
    cuts = near + (far - near) * np.geomspace(2.0**-10, 1.0, _TAIL_PARTS)
    cuts = np.unique(np.concatenate([[near], cuts]))
    below, above = _difference(curve, cuts[:-1], cuts[1:], line, np.zeros(len(cuts) - 1, int))
    return bool(np.isfinite(below).all() and (above - below).max() / 2 <= wanted)


def _values(curve: IntegerFunction, at: Reals) -> Reals:
    enclosed = curve.on(at, at)
    middle: Reals = (enclosed.lo + enclosed.hi) / 2
    if not np.isfinite(middle).all():
        raise Unfit("a function that is not defined, or not bounded, somewhere in the range")
    return middle


def chords(curve: IntegerFunction, first: int, step: int, count: int) -> Pieces:
    """Return chords; the first and the last reach the ends of the range."""
    begins = first + np.arange(count, dtype=np.float64) * 2.0**step
    left, right = begins.copy(), begins + 2.0**step
    left[0] = min(left[0], float(curve.lo))
    right[-1] = max(right[-1], float(curve.hi))
    # Beyond the range nothing is asked for, and the function may not be defined.
    left, right = (np.clip(v, curve.lo, curve.hi) for v in (left, right))
    a, b = _values(curve, left[:, None]), _values(curve, right[:, None])
    width = np.maximum(right - left, 1.0)[:, None]
    slope = (b - a) / width
    # The slope of a piece of one integer is free; it would only limit the shift.
    slope[np.append(right[:-1] - 1, right[-1]) <= left] = 0.0
    return Pieces(first, step, a + slope * (begins - left)[:, None], slope)


def missed(curve: IntegerFunction, pieces: Pieces) -> tuple[Reals, Reals]:
    """Return bounds of function minus line on the integers of each piece, (N, C) or (N, 1)."""
    count = len(pieces.base)
    begins = pieces.start + np.arange(count, dtype=np.float64) * 2.0**pieces.step
    ends = begins + (2.0**pieces.step - 1)
    begins[0], ends[-1] = min(begins[0], curve.lo), max(ends[-1], curve.hi)
    begins, ends = (np.clip(v, curve.lo, curve.hi) for v in (begins, ends))
    parts, which = [], []
    for k in (0, count - 1) if count > 1 else (0,):  # long ones: parts that grow outwards
        near, far = (ends[k], begins[k]) if k == 0 else (begins[k], ends[k])
        cuts = near + (far - near) * np.concatenate(
            [[0.0], np.geomspace(2.0**-12, 1.0, _TAIL_PARTS)]
        )
        parts.append(np.sort(cuts))
        which.append(np.full(_TAIL_PARTS, k))
    inner = np.arange(1, count - 1)
    shares = np.linspace(0.0, 1.0, _PARTS + 1)
    cuts = begins[inner][:, None] + (ends[inner] - begins[inner])[:, None] * shares
    a = np.concatenate([*(p[:-1] for p in parts), cuts[:, :-1].ravel()])
    b = np.concatenate([*(p[1:] for p in parts), cuts[:, 1:].ravel()])
    owner = np.concatenate([*which, np.repeat(inner, _PARTS)])
    below, above = _difference(curve, a, b, pieces, owner)
    least = np.full((count, below.shape[1]), np.inf)
    greatest = np.full((count, below.shape[1]), -np.inf)
    np.minimum.at(least, owner, below)
    np.maximum.at(greatest, owner, above)
    if not (np.isfinite(least).all() and np.isfinite(greatest).all()):
        raise Unfit("a function that is not defined, or not bounded, somewhere in the range")
    return least, greatest


def _difference(
    curve: IntegerFunction, a: Reals, b: Reals, pieces: Pieces, owner: NDArray[np.int64]
) -> tuple[Reals, Reals]:
    """Return bounds of function minus line between ``a`` and ``b`` (N,), each on a piece."""
    a, b = a[:, None], b[:, None]
    unit = float(curve.unit)
    slope = pieces.slope[owner]
    begin = pieces.start + owner[:, None] * 2.0**pieces.step
    left, right, whole = curve.on(a, a), curve.on(b, b), curve.on(a, b)
    assert whole.slope is not None
    lines = [pieces.base[owner] + slope * (end - begin) for end in (a, b)]
    noise = NOISE * (np.abs(lines[0]) + np.abs(lines[1]) + np.abs(pieces.base[owner]))
    noise = noise + NOISE * np.maximum(np.abs(whole.lo), np.abs(whole.hi))
    steep = [s * unit for s in whole.slope]
    low, high = (steep[0], steep[1]) if unit > 0 else (steep[1], steep[0])
    low, high, width = low - slope, high - slope, b - a
    above = _tent(left.hi - lines[0], right.hi - lines[1], low, high, width)
    below = -_tent(lines[0] - left.lo, lines[1] - right.lo, -high, -low, width)
    # Where slopes have no bound, values may have one.
    far, near = np.maximum(*lines), np.minimum(*lines)
    above = np.fmin(above, whole.hi - near)
    below = np.fmax(below, whole.lo - far)
    return below - noise, above + noise


def _tent(left: Reals, right: Reals, low: Reals, high: Reals, width: Reals) -> Reals:
    """Return the greatest of ``min(left + high t, right - low (width - t))`` for t in the width."""
    with np.errstate(all="ignore"):
        meet = (right - left - low * width) / (high - low)
        meet = np.clip(np.where(np.isfinite(meet), meet, 0.0), 0.0, width)
        best = np.full(np.broadcast_shapes(left.shape, low.shape), -np.inf)
        for t in (np.zeros_like(width), width, meet):
            best = np.maximum(best, np.minimum(left + high * t, right - low * (width - t)))
    return np.where(np.isfinite(low) & np.isfinite(high), best, np.inf)


def fraction_bits(pieces: Pieces, scale: float) -> int:
    """Return the most fraction bits that slopes of 31 bits and sums of 61 allow."""
    steep = float(np.abs(pieces.slope).max()) / scale
    most = float(np.abs(pieces.base).max()) / scale
    room = [40]
    if steep:
        room.append(MOST_STEPS + 1 - int(np.frexp(steep)[1]))
    if most:
        room.append(58 - int(np.frexp(most)[1]))
    shift = min(room)
    if shift < 0:
        raise Unfit("a function that is too steep for integers")
    return shift
