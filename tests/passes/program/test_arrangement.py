"""Tables of places, axis by axis: what they copy, from where, and within which bounds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program.ops.arrangement import OUTSIDE, Arrangement

SHAPE = (3, 4, 2)


def tables(rows: list[int], columns: list[int], channels: list[int]) -> Arrangement:
    return Arrangement(*(np.array(t, np.int64) for t in (rows, columns, channels)))


def axis(*steps: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from([OUTSIDE, *steps]), min_size=1, max_size=3)


@given(axis(0, 8, 16), axis(0, 2, 4, 6), axis(0, 1))
def test_copies_and_their_bounds(rows: list[int], columns: list[int], channels: list[int]) -> None:
    moved = tables(rows, columns, channels)
    assert not moved.problem(24)
    assert moved.shape == (len(rows), len(columns), len(channels))
    assert moved.padded == (OUTSIDE in (*rows, *columns, *channels))
    x = np.random.default_rng(0).integers(1, 100, (5, *SHAPE))
    got = moved.apply(x)
    for i, j, c in product(*map(range, moved.shape)):
        entries = rows[i], columns[j], channels[c]
        want = 0 if OUTSIDE in entries else x.reshape(5, -1)[:, sum(entries)]
        np.testing.assert_array_equal(got[:, i, j, c], want)
    for row in (np.array([3, -5]), np.array([-7, -2]), np.array([4, 9])):
        within = np.broadcast_to(row, (1, *SHAPE))
        reached = moved.apply(within)[0].reshape(-1, len(channels))
        assert (moved.least(row) <= reached.min(axis=0)).all()
        assert (moved.greatest(row) >= reached.max(axis=0)).all()
        if not moved.padded:  # rows and columns are whole: each channel reads one
            np.testing.assert_array_equal(moved.least(row), reached.min(axis=0))
            np.testing.assert_array_equal(moved.greatest(row), reached.max(axis=0))


@given(st.permutations([0, 8]), st.permutations([0, 2, 4, 6]), st.permutations([0, 1]))
def test_in_place(rows: list[int], columns: list[int], channels: list[int]) -> None:
    moved = tables(rows, columns, channels)
    same = (moved.places.ravel() == np.arange(16)).all()
    assert moved.in_place == same == ((rows, columns, channels) == ([0, 8], [0, 2, 4, 6], [0, 1]))


def test_a_part_of_each_pixel_is_not_in_place() -> None:
    assert not tables([0, 8], [0, 2, 4, 6], [0]).in_place
    assert not tables([0, 8], [0, 2], [0, 1]).in_place
    assert tables([0], [0, 2], [0, 1]).in_place
    assert not tables([8], [0, 2], [0, 1]).in_place


@pytest.mark.parametrize(
    ("rows", "columns", "channels", "told"),
    [
        ([0, 8, 16], [0, 2, 4, 6], [0, 1], ""),
        ([0, 8, 16], [0, 2, 4, 6], [0, 2], "places beyond the 24"),
        ([0, 24], [0], [0], "places beyond the 24"),
        ([0, 23], [0], [0], ""),
        ([0, 30], [OUTSIDE], [0], ""),
        ([], [0], [0], "rows of places"),
        ([0], [-2], [0], "rows of places"),
        ([[0]], [0], [0], "rows of places"),
    ],
)
def test_tables_that_fit(rows, columns, channels, told: str) -> None:
    problem = tables(rows, columns, channels).problem(24)
    assert told in problem and bool(told) == bool(problem)
