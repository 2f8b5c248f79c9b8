"""Taps of fixed-point windows: units that are written out, chunks of them, and their sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .wrapping import LANES, MOST, Readings, readings

# LANES are output channels of a vector of 16-bit weights, and taps of one of activations.
LONGEST = 192  # taps of a window that are written out one by one
_BETWEEN = 8  # taps between boundaries where nothing else cuts them
_INT16, _INT32 = 1 << 15, 1 << 31

Chunks = tuple[tuple[int, ...], ...]
"""Positions of taps in their unit, chunk by chunk."""


def units(weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lay out weights (O, KH, KW, I) as (O, units, depth): window rows, each filled up with zeros.

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


def cut(weight: NDArray[np.int64], lo: int, hi: int, most: int) -> Chunks | None:
    """Cut the taps of all units into chunks whose sums are at most ``most`` in magnitude.

    Taps that share a register of activations may change places, so of each eight the largest
    that still fits comes next.

    Args:
        weight: int64 (O, units, depth).
        lo, hi: range of the input, with zero in it.

    Returns:
        the chunks in order; taps that are zero everywhere are left out.  None if a single product
        is too large.
    """
    flat = weight.reshape(-1, weight.shape[2])
    ends = _ends(flat, lo, hi)
    chunks: list[list[int]] = []
    sums = np.zeros_like(ends[:, :, 0])
    for start in range(0, flat.shape[1], LANES):
        left = [k for k in range(start, start + LANES) if flat[:, k].any()]
        left.sort(key=lambda k: -int(np.abs(flat[:, k]).sum()))
        while left:
            fits = [k for k in left if int((sums + ends[:, :, k]).max()) <= most]
            if not fits or not chunks:
                chunks.append([])
                sums = np.zeros_like(sums)
            k = (fits or left)[0]
            left.remove(k)
            chunks[-1].append(k)
            sums = sums + ends[:, :, k]
            if int(sums.max()) > most:
                return None
    return tuple(map(tuple, chunks))


def bound(weight: NDArray[np.int64], lo: int, hi: int, taps: Iterable[int]) -> int:
    """Return the greatest magnitude that taps of a unit add."""
    flat = weight.reshape(-1, weight.shape[2])
    return int(_ends(flat, lo, hi)[:, :, list(taps)].sum(axis=2).max())


def _ends(flat: NDArray[np.int64], lo: int, hi: int) -> NDArray[np.int64]:
    """Return the largest products of taps, and largest negated ones: (2, rows, depth)."""
    return np.stack(
        [flat.clip(0) * hi + flat.clip(max=0) * lo, -(flat.clip(0) * lo + flat.clip(max=0) * hi)]
    )


@dataclass(frozen=True)
class Sums:
    """How a unit's products are added up.

    Attributes:
        chunks: taps in the order in which they are added.
        readings: of accumulators that wrap around, None where they hold the whole sum.
        operand, product, total: dtypes of activations, of their products, of the sums.
        reason: what was proven.
    """

    chunks: Chunks
    readings: Readings | None
    operand: str
    product: str
    total: str
    reason: str

    @property
    def registers(self) -> int:
        """Registers that the sums of eight outputs of a pixel take, with all that they keep."""
        return 2 if self.total == "int32" else 4

    def instructions(self, pixels: int) -> float:
        """Estimate the instructions of a unit at neighboring pixels and eight outputs.

        Loads of activations are not among them.
        """
        multiply = 2 if self.product == "int32" else 4
        taps = sum(map(len, self.chunks))
        count = taps * (multiply * pixels + 1)
        return count + (3 * self.readings.count + 14) * pixels if self.readings else count


def sums(parts: NDArray[np.int64], lo: int, hi: int, most: int) -> Sums | None:
    """Return the narrowest sums that are exact.

    Args:
        parts: weights int64 (O, units, depth).
        lo, hi: range of the input, with zero in it.
        most: greatest magnitude of all partial sums.

    Returns:
        None where nothing is to be multiplied, or by more than 32 bits.
    """
    taps = tuple(k for k in range(parts.shape[2]) if parts[:, :, k].any())
    least, greatest = min(lo, int(parts.min())), max(hi, int(parts.max()))
    if not taps or max(-least, greatest) >= _INT32:
        return None
    plain = tuple(taps[k : k + _BETWEEN] for k in range(0, len(taps), _BETWEEN))
    if -_INT16 <= least and greatest < _INT16:
        if most < _INT32:
            reason = f"int32 accumulators: no partial sum exceeds {most}"
            return Sums(plain, None, "int16", "int32", "int32", reason)
        chunks = cut(parts, lo, hi, MOST)
        read = (
            readings(len(chunks), bound(parts, lo, hi, taps), bound(parts, lo, hi, chunks[-1]))
            if chunks
            else None
        )
        if chunks and read:
            reason = f"int32 accumulators, read {read.count} times as sums reach {most}"
            return Sums(chunks, read, "int16", "int32", "int64", reason)
    reason = f"int64 accumulators: no partial sum exceeds {most}"
    return Sums(plain, None, "int32", "int64", "int64", reason)
