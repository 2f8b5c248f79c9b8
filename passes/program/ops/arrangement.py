"""Positions of one sample that another one's are copied from, as a table for each axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef
from ..types import Constant, IntArray, Shape

OUTSIDE = -1
"""Entry of a table: positions of this row, column or channel hold 0."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """``y[i, j, c] = x.flat[rows[i] + columns[j] + channels[c]]``, 0 where an entry is `OUTSIDE`.

    Attributes:
        rows, columns, channels: int64 (H,), (W,), (C,) of the result; their sums are places of the
            source in the order of memory.
    """

    rows: IntArray
    columns: IntArray
    channels: IntArray

    @property
    def tables(self) -> tuple[IntArray, IntArray, IntArray]:
        return self.rows, self.columns, self.channels

    @property
    def shape(self) -> Shape:
        """Shape of the result."""
        return len(self.rows), len(self.columns), len(self.channels)

    @property
    def padded(self) -> bool:
        """Whether any position is outside of the source."""
        return any(bool((table == OUTSIDE).any()) for table in self.tables)

    def problem(self, size: int) -> str:
        """Return why these are no tables for a source of ``size`` elements; "" if they are."""
        if any(t.ndim != 1 or not t.size or int(t.min()) < OUTSIDE for t in self.tables):
            return "tables are rows of places, or of -1 for outside"
        inside = [t[t != OUTSIDE] for t in self.tables]
        if all(t.size for t in inside) and sum(int(t.max()) for t in inside) >= size:
            return f"places beyond the {size} elements of its input"
        return ""

    @cached_property
    def places(self) -> IntArray:
        """The place in the source of each element, `OUTSIDE` where there is none: (H, W, C)."""
        rows, columns, channels = (
            table.reshape([-1 if k == axis else 1 for k in range(3)])
            for axis, table in enumerate(self.tables)
        )
        outside = (rows < 0) | (columns < 0) | (channels < 0)
        return np.where(outside, OUTSIDE, rows + columns + channels)

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the rearranged samples (N, H, W, C) of samples of the source's size."""
        places = self.places
        moved = x.reshape(len(x), -1)[:, np.maximum(places, 0)]
        return np.where(places < 0, moved.dtype.type(0), moved) if self.padded else moved

    @property
    def in_place(self) -> bool:
        """Whether the result is the beginning of the source in the order of memory."""
        _, width, channels = self.shape
        steps = zip(self.tables, (width * channels, channels, 1), strict=True)
        return all(bool((table == np.arange(len(table)) * step).all()) for table, step in steps)

    def sources(self, channels: int) -> IntArray:
        """Return the source's channels that each channel of the result reads, (K, C); of a channel
        outside, any.

        Args:
            channels: channels of the source.
        """
        rows, columns = (t[t != OUTSIDE] % channels for t in (self.rows, self.columns))
        starts = np.unique(np.unique(rows)[:, None] + np.unique(columns))
        channels_read: IntArray = (np.unique(starts % channels)[:, None] + self.channels) % channels
        return channels_read if channels_read.size else np.zeros((1, len(self.channels)), np.int64)

    def least(self, row: NDArray[Any]) -> NDArray[Any]:
        """Return, for each channel of the result, the least of what it holds, given the least of
        the source's channels.
        """
        least: NDArray[Any] = row[self.sources(len(row))].min(axis=0)
        return np.minimum(least, 0) if self.padded else least

    def greatest(self, row: NDArray[Any]) -> NDArray[Any]:
        """Return the greatest likewise."""
        greatest: NDArray[Any] = row[self.sources(len(row))].max(axis=0)
        return np.maximum(greatest, 0) if self.padded else greatest


@dataclass(frozen=True, kw_only=True)
class ArrangementTables:
    """The fields of an operation that rearranges, of integers or of real numbers.

    Attributes:
        rows, columns, channels: constants (H,), (W,), (C,) of the result's shape, whose sums are
            places of the input in the order of memory.
    """

    rows: ConstRef
    columns: ConstRef
    channels: ConstRef

    def arrangement(self, consts: Mapping[str, Constant]) -> Arrangement:
        """Return the arrangement whose tables are these constants."""
        names = self.rows, self.columns, self.channels
        return Arrangement(*(np.asarray(consts[name].values, np.int64) for name in names))
