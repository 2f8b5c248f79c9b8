"""Constant weights that are integers (0 too) times a step: LSQ, ternary, min-max quantizers.

They result from folding round(w / s) * s (Esser et al., "Learned Step Size Quantization", ICLR
2020, equation 2), or are integers as FINN writes them.
"""

from __future__ import annotations

import numpy as np

from ..opset import Weight
from .queries import Array, signed_bits

_NOISE = 2e-4  # of the step; folding in float32 makes smaller errors
_SMALLEST = 16  # largest value of the smallest code other than 0
_LARGEST = 127
_LUCK = 1e-9  # probability below which weights near a grid are no coincidence


def integers(weights: Array) -> Weight | None:
    """Return the codes of weights that are integers of at most 8 bits, else None."""
    if not (weights == np.rint(weights)).all() or not 1 <= np.abs(weights).max() <= _LARGEST:
        return None
    return _weight(weights, np.ones(len(weights)))


def integer_grid(weights: Array) -> Weight | None:
    """Return the codes of weights that are such integers times one step per channel, else None.

    Args:
        weights: float32 [O,I,kh,kw], finite.
    """
    flat = np.abs(weights.reshape(len(weights), -1).astype(np.float64))
    steps, chance = np.ones(len(flat)), 1.0
    for index, row in enumerate(flat):
        if not row.any():
            continue
        least = row[row > 0].min()
        for code in range(1, _SMALLEST + 1):
            codes = np.rint(row * (code / least))
            if codes.max() > _LARGEST:
                return None
            step = float(row @ codes) / float(codes @ codes)
            if np.abs(row / step - codes).max() <= _NOISE:
                break
        else:
            return None
        steps[index] = _written(row, codes, step)
        chance *= min(1.0, _SMALLEST * (2 * _NOISE) ** (np.count_nonzero(row) - 1))
    if chance > _LUCK:
        return None
    return _weight(weights / steps.reshape(-1, *[1] * (weights.ndim - 1)), steps)


def _written(row: Array, codes: Array, step: float) -> float:
    """Return the float32 step whose multiples round exactly to the weights, if there is one."""
    single = np.float32(step)
    for near in (single, np.nextafter(single, np.float32(0)), np.nextafter(single, np.float32(9))):
        if np.array_equal((codes * float(near)).astype(np.float32), row.astype(np.float32)):
            return float(near)
    return step


def _weight(codes: Array, steps: Array) -> Weight:
    whole = np.rint(codes).astype(np.int64)
    return Weight(whole.astype(np.int8), steps, 1, signed_bits(whole), odd=False)
