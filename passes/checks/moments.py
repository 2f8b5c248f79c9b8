"""How far values of a tensor differ, channel by channel, gathered over pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-6  # of the root mean square: what differs less is one value, up to noise

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of each channel: how many values, their sum and their squares' sum, float64 (C,)."""

    count: int
    total: Row
    squares: Row

    @classmethod
    def none(cls) -> Moments:
        """Of no values."""
        return cls(0, np.zeros(()), np.zeros(()))

    def with_(self, values: NDArray[np.float64]) -> Moments:
        """With values (N, H, W, C) added."""
        axes = (0, 1, 2)
        return Moments(
            self.count + values[..., 0].size,
            self.total + values.sum(axis=axes),
            self.squares + np.square(values).sum(axis=axes),
        )

    @property
    def spread(self) -> Row:
        """Standard deviation of each channel, or the root mean square where all are the same."""
        return _spread(self.count, self.total, self.squares)

    @property
    def overall(self) -> float:
        """The same of all channels together."""
        channels = self.total.size
        return float(_spread(self.count * channels, self.total.sum(), self.squares.sum()))


def _spread(count: int, total: Row, squares: Row) -> Row:
    square = squares / max(count, 1)
    deviation = np.sqrt(np.maximum(square - np.square(total / max(count, 1)), 0.0))
    size = np.sqrt(square)
    result: Row = np.where(deviation > _SAME * size, deviation, size)
    return result
