"""Rounding as thresholds: where the rounded value rises, and how ties are rounded."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

import numpy as np

from .pattern import Refused
from .queries import Array

Rise = tuple[float, bool]
"""Position at which a rounded value rises by one: only above it (True) or also at it (False)."""

_MODES: dict[str, Callable[[int], Rise]] = {
    "ROUND": lambda n: (n + 0.5, n % 2 == 0),
    "HALF_EVEN": lambda n: (n + 0.5, n % 2 == 0),
    "HALF_UP": lambda n: (n + 0.5, n < 0),
    "HALF_DOWN": lambda n: (n + 0.5, n >= 0),
    "CEIL": lambda n: (float(n), True),
    "FLOOR": lambda n: (n + 1.0, False),
    "UP": lambda n: (float(n), True) if n >= 0 else (n + 1.0, False),
    "DOWN": lambda n: (n + 1.0, False) if n >= 0 else (float(n), True),
}


def rise(n: int, mode: str) -> Rise:
    """Return where rounding changes from n to n + 1, in a mode of QONNX's Quant and Trunc.

    ROUND rounds ties to even; HALF_UP and UP round away from zero, HALF_DOWN and DOWN toward zero.

    Raises:
        Refused: the mode does not exist.
    """
    if mode.upper() not in _MODES:
        raise Refused(f"rounding_mode {mode}", ", ".join(sorted(_MODES)))
    return _MODES[mode.upper()](n)


def rises(low: int, high: int, mode: str = "ROUND") -> tuple[Array, Array]:
    """Return positions (float64) and strictness (bool), [high - low], of rounding to low..high."""
    steps = [rise(n, mode) for n in range(low, high)]
    return np.array([p for p, _ in steps]), np.array([s for _, s in steps], bool)


def truncated_rises(low: int, high: int, shift: int, mode: str) -> tuple[Array, Array]:
    """Return the same as `rises` for rounding half to even,
    then dividing by 2**shift and rounding by mode.
    """
    steps = []
    for n in range(low, high):
        position, strict = rise(n, mode)
        scaled = position * 2.0**shift
        first = floor(scaled) + 1 if strict else ceil(scaled)  # the least integer that gives n + 1
        steps.append(rise(first - 1, "ROUND"))
    return np.array([p for p, _ in steps]), np.array([s for _, s in steps], bool)
