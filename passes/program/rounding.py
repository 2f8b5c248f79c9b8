"""The one rounding rule of the integer program (SPEC.md, "Rounding")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def round_shift(value: NDArray[np.int64], shift: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Return ``value / 2**shift`` rounded to nearest, halves away from zero; int64 in and out.

    The caller proves ``|value| + 2**(shift - 1) < 2**63``.
    """
    shift = np.asarray(shift, dtype=np.int64)
    half = np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)
    away = np.where(shift > 0, value >> 63, 0)  # -1 below zero: turns half-up into half-away
    return (value + half + away) >> shift


def round_product(
    value: NDArray[np.int64], factor: NDArray[np.int64], shift: int
) -> NDArray[np.int64]:
    """Return ``value * factor / 2**shift``, rounded in the same way;
    only the result must fit 64 bits.

    Args:
        value: at most 0.
        factor: within 32 bits signed.
        shift: 0 to 31.
    """
    # value = upper * 2**31 + lower: the upper product is a multiple of 2**shift.
    upper, lower = value >> 31, value & (1 << 31) - 1
    half = (1 << shift) >> 1
    away = (factor > 0) & (value < 0) if shift else np.False_
    result: NDArray[np.int64] = ((upper * factor) << (31 - shift)) + (
        (lower * factor + half - away) >> shift
    )
    return result


def round_shift_exact(value: int, shift: int) -> int:
    """Return the same rule on a Python integer of any size."""
    half = (1 << shift) >> 1
    return (value + half - (1 if value < 0 and shift > 0 else 0)) >> shift


def fits_int64(*values: Any) -> bool:
    """Return whether Python integers all stay clear of the 64-bit limits."""
    return all(-(2**63) < int(v) < 2**63 for v in values)
