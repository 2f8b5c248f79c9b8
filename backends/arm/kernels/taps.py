"""Taps of fixed-point windows: units that are written out, and chunks whose sums fit 32 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LANES = 8  # output channels of a vector of 16-bit weights, and taps of one of activations
LONGEST = 192  # taps of a window that are written out one by one
INT32 = 1 << 31

Tap = tuple[int, bool]
"""Position in the unit, and whether a chunk of taps begins with it."""


def units(weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weights (O, KH, KW, I) as (O, units, depth): window rows, each a run filled up with zeros.

    A unit is written out tap by tap: the whole window, or a row of it, or a part of a row.
    """
    out, kh, kw, channels = weight.shape
    run = -(-kw * channels // LANES) * LANES
    rows = np.zeros((out, kh, run), np.int64)
    rows[:, :, : kw * channels] = weight.reshape(out, kh, -1)
    if kh * run <= LONGEST:
        return rows.reshape(out, 1, -1)
    depth = max(n for n in range(LANES, min(run, LONGEST) + 1, LANES) if run % n == 0)
    return rows.reshape(out, -1, depth)


def order_taps(weight: NDArray[np.int64], lo: int, hi: int) -> tuple[Tap, ...] | None:
    """Taps of all units, ordered and cut into chunks whose sums fit 32 bits in any order.

    Taps that share a register of activations may change places, so of each eight the largest
    that still fits comes next.

    Args:
        weight: int64 (O, units, depth).
        lo, hi: range of the input.

    Returns:
        the taps in order; those that are zero everywhere are left out.  None if a single product
        needs more than 32 bits.
    """
    flat = weight.reshape(-1, weight.shape[2])
    ends = np.stack([flat * lo, flat * hi])
    most = np.maximum(ends.max(axis=0), 0), np.maximum(-ends.min(axis=0), 0)
    taps: list[Tap] = []
    sums = [np.zeros(len(flat), np.int64) for _ in most]
    for start in range(0, flat.shape[1], LANES):
        left = [k for k in range(start, start + LANES) if flat[:, k].any()]
        left.sort(key=lambda k: -int(np.abs(flat[:, k]).sum()))
        while left:
            fits = [
                k for k in left
                if all(int((s + m[:, k]).max()) < INT32 for s, m in zip(sums, most, strict=True))
            ]
            first = not fits or not taps
            if not fits:
                sums = [np.zeros(len(flat), np.int64) for _ in most]
            k = (fits or left)[0]
            left.remove(k)
            taps.append((k, first))
            sums = [s + m[:, k] for s, m in zip(sums, most, strict=True)]
            if any(int(s.max()) >= INT32 for s in sums):
                return None
    return tuple(taps)


def chunks(taps: tuple[Tap, ...]) -> Iterator[list[int]]:
    """Positions that are summed in 32 bits, chunk by chunk."""
    chunk: list[int] = []
    for k, first in taps:
        if first and chunk:
            yield chunk
            chunk = []
        chunk.append(k)
    yield chunk
