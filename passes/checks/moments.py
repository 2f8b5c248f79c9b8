"""Spread of the values of a tensor by channel, accumulated over chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-6  # relative to the root mean square: a smaller deviation counts as noise

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """The number of values of each channel, their sum, and the sum of squares, float64 (C,)."""

    count: int
    total: Row
    squares: Row

    @classmethod
    def none(cls) -> Moments:
        """Return the moments of no values."""
        return cls(0, np.zeros(()), np.zeros(()))

    def with_(self, values: NDArray[np.float64]) -> Moments:
        """Return the moments with values (N, H, W, C) added."""
        axes = (0, 1, 2)
        return Moments(
            self.count + values[..., 0].size,
            self.total + values.sum(axis=axes),
            self.squares + np.square(values).sum(axis=axes),
        )

    @property
    def spread(self) -> Row:
        """Standard deviation of each channel, or root mean square if all values are equal."""
        return _spread(self.count, self.total, self.squares)

    @property
    def overall(self) -> float:
        """The same for all channels together."""
        channels = self.total.size
        return float(_spread(self.count * channels, self.total.sum(), self.squares.sum()))


def _spread(count: int, total: Row, squares: Row) -> Row:
    square = squares / max(count, 1)
    deviation = np.sqrt(np.maximum(square - np.square(total / max(count, 1)), 0.0))
    size = np.sqrt(square)
    result: Row = np.where(deviation > _SAME * size, deviation, size)
    return result
