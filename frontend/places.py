"""Places that elements are copied from, as a table for each axis of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Tables = tuple[Array, Array, Array]
"""Of rows, columns and channels of the result: int64, -1 outside; see `n2uq.Rearrange`."""

OUTSIDE = -1


def combined(tables: Tables) -> Array:
    """Return the place of each element, (H, W, C), `OUTSIDE` where there is none."""
    rows, columns, channels = tables[0][:, None, None], tables[1][:, None], tables[2]
    outside = (rows < 0) | (columns < 0) | (channels < 0)
    return np.where(outside, OUTSIDE, rows + columns + channels)


def factored(places: Array) -> Tables | None:
    """Return the tables of places (H, W, C), `OUTSIDE` where there is none; None if there are no
    such tables.
    """
    inside = places != OUTSIDE
    if not inside.any():
        return None
    there = [inside.any(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    i, j, c = (int(np.flatnonzero(line)[0]) for line in there)
    if places[i, j, c] == OUTSIDE:
        return None
    lines = [line - places[i, j, c] for line in (places[:, j, c], places[i, :, c], places[i, j, :])]
    least = [int(line[ok].min()) for line, ok in zip(lines, there, strict=True)]
    rows, columns, channels = (
        np.where(ok, line - low, OUTSIDE) for line, ok, low in zip(lines, there, least, strict=True)
    )
    rows = np.where(there[0], rows + (int(places[i, j, c]) + sum(least)), OUTSIDE)
    found = rows, columns, channels
    return found if np.array_equal(combined(found), places) else None
