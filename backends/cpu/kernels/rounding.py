"""Proofs about ``round_shift(x * m + b, s)`` of one tensor that allow cheaper code.

SPEC.md rounds halves away from zero.  Adding a half and shifting rounds them up instead, which
differs for negative halves only; whether ``x * m + b`` ever is one, for an integer x of its range,
is a linear congruence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.object_]
"""Exact integers, one for each channel."""

_INT32 = 1 << 31
_MOST_SHIFT = 31  # of a number of 32 bits
_LOWER = 20  # bits; no lower part of 32 bits is longer, times a number of some bits


def halves(lo: int, hi: int, m: int, b: int, s: int) -> tuple[bool, bool]:
    """Tell whether ``x * m + b`` is half an odd multiple of ``2**s`` for some x of ``[lo, hi]``.

    Returns:
        whether a negative number is; whether another number is.
    """
    if s == 0:
        return False, False
    modulus, wanted = 1 << s, (1 << (s - 1)) - b
    common = math.gcd(m, modulus)
    if wanted % common:
        return False, False
    step = modulus // common
    start = wanted // common * pow(m // common, -1, step) % step
    first, last = lo + (start - lo) % step, hi - (hi - start) % step
    if first > hi:
        return False, False
    ends = sorted((first * m + b, last * m + b))
    return ends[0] < 0, ends[1] >= 0


def with_half(
    lo: Row, hi: Row, m: Row, b: Row, shift: Row, above_zero: bool = False
) -> tuple[Row, bool]:
    """Return a bias with which the sum only has to be shifted, and whether that is not enough.

    Args:
        lo, hi: range of x.
        m, b, shift: of the channels.
        above_zero: whether results below zero are clamped to zero anyway.

    Returns:
        the bias with the half in it; and whether 1 must be subtracted from negative numbers before
        they are shifted, because some channel meets negative halves and others.
    """
    half = np.array([(1 << s) >> 1 for s in shift], dtype=object)
    if above_zero:
        return b + half, False
    met = [halves(*each) for each in zip(lo, hi, m, b, shift, strict=True)]
    if any(below and other for below, other in met):
        return b + half, True
    return b + half - np.array([int(below) for below, _ in met], dtype=object), False


@dataclass(frozen=True)
class SplitProduct:
    """``x * m + b = 2**low * (x * m1 + b1) + (x * m0 + b0)`` with everything in 32 bits, so that
    its shift by s is ``(x * m1 + b1 + ((x * m0 + b0) >> low)) >> rest``.

    Attributes:
        low: bits of the lower part.
        m0, m1, b0, b1, rest: int64 of each channel.
        turn: the least upper part at which the number is surely not below zero, int64, as far as
            halves are concerned.
    """

    low: int
    m0: NDArray[np.int64]
    m1: NDArray[np.int64]
    b0: NDArray[np.int64]
    b1: NDArray[np.int64]
    rest: NDArray[np.int64]
    turn: NDArray[np.int64]


def lifted(m: Row, shift: Row) -> Row:
    """Return the bits by which multiplier, bias and shift of each channel can grow together.

    The result stays the same, but a ``split`` has a longer lower part for channels of short shifts.
    """
    return np.array(
        [
            max(0, min(_LOWER - int(s), 31 - int(abs(v)).bit_length()))
            for v, s in zip(m, shift, strict=True)
        ],
        dtype=object,
    )


def split(lo: Row, hi: Row, m: Row, b: Row, shift: Row) -> SplitProduct | None:
    """Return the split with the longest lower part, None if no part of it would fit.

    Args:
        lo, hi: range of x.
        m, shift: of the channels.
        b: bias with the half in it.
    """
    for low in range(min(int(min(shift)), _MOST_SHIFT), 0, -1):
        half = 1 << (low - 1)
        m0 = (m + half) % (2 * half) - half
        m1, b0, b1 = m - m0 >> low, b % (2 * half), b >> low
        turn = np.array([max((1 << s >> 1) >> low, 1) for s in shift], dtype=object)
        lower, upper = np.stack([lo * m0, hi * m0]), np.stack([lo * m1, hi * m1])
        whole = np.stack([lo * m, hi * m]) + b >> low
        numbers = (
            lo,
            hi,
            m0,
            m1,
            b1,
            lower,
            lower + b0,
            lower + b0 - 1,
            upper,
            upper + b1,
            whole,
            whole - 1,
            whole - turn,
        )
        if all(-_INT32 < min(n.ravel()) and max(n.ravel()) < _INT32 for n in numbers):
            rows = (row.astype(np.int64) for row in (m0, m1, b0, b1, shift - low, turn))
            return SplitProduct(low, *rows)
    return None
