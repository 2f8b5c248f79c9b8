"""Constant weights that take few uneven values: a codebook's levels, as folded into float32.

LQ-Nets (Zhang et al., ECCV 2018) have a codebook for each output channel, LCQ (Yamamoto, CVPR 2021)
one for the layer, which a BatchNorm folded in later scales by channel.
"""

from __future__ import annotations

import numpy as np

from ..opset import Weight
from .queries import Array

MOST_LEVELS = 32
_NOISE = 2.0**-21  # of the weight itself: equal levels are computed alike, and hardly differ
_LEAST_EQUAL = 8  # weights that are another's level
_EQUAL = 0.2  # their share: real weights are almost never equal


def weight_levels(weights: Array) -> Weight | None:
    """Codes and levels of weights that repeat few values, None if real weights may do so.

    Args:
        weights: float32 [O,I,kh,kw], finite.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    rows, whole = [_clustered(row) for row in flat], _clustered(flat)
    clusters = [row for row in rows if row is not None]
    if len(clusters) < len(rows):
        return None
    if whole is not None and len(whole[0]) <= 2 * max(len(levels) for levels, _ in clusters):
        clusters = [whole]
    nonzero = np.count_nonzero(flat)
    equal = nonzero - sum(np.count_nonzero(levels) for levels, _ in clusters)
    if equal < max(_LEAST_EQUAL, _EQUAL * nonzero):
        return None
    count = max(len(levels) for levels, _ in clusters)
    table = np.stack([np.pad(levels, (0, count - len(levels)), "edge") for levels, _ in clusters])
    codes = np.concatenate([codes.reshape(-1) for _, codes in clusters]).reshape(weights.shape)
    bits = max(1, (count - 1).bit_length())
    return Weight(codes.astype(np.int8), np.ones(len(weights)), 1, bits, odd=False, levels=table)


def _clustered(values: Array) -> tuple[Array, Array] | None:
    """Levels, ascending, and the code of each value; None if they are more than `MOST_LEVELS`."""
    ordered, codes = np.unique(values, return_inverse=True)
    # Not of the largest weight: beside a huge one, all others would be the level 0.
    near = _NOISE * np.abs(ordered)
    first = np.concatenate([[True], np.diff(ordered) > np.maximum(near[1:], near[:-1])])
    if first.sum() > MOST_LEVELS:
        return None
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(ordered)) - 1
    if (ordered[ends] - ordered[starts] > near[starts] + near[ends]).any():
        return None  # a crowd, no level
    levels = ordered[(starts + ends) // 2]
    return levels, (np.cumsum(first) - 1)[codes]
