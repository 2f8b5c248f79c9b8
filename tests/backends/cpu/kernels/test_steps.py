"""Tables as counts: the same codes for every number, whatever a channel's table is."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.steps import ComparisonCounts, Ends, steps

_CHANNELS, _STEPS = 40, 5


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ends]:
    """Draw channels that rise, fall, or do both, with bounds beyond either end and equal ones."""
    rng = np.random.default_rng(seed)
    lo = rng.integers(-9, 1, _CHANNELS)
    hi = lo + rng.integers(0, 12, _CHANNELS)
    bounds = np.sort(rng.integers(-14, 16, (_CHANNELS, _STEPS)), axis=1)
    signs = rng.choice([-1, 1], bounds.shape)
    signs[:30] = np.repeat(signs[:30, :1], _STEPS, axis=1)
    base = rng.integers(_STEPS, 2 * _STEPS, _CHANNELS)
    return bounds, signs, base, Ends(lo, hi)


def ends(lo: int, hi: int, channels: int) -> Ends:
    return Ends(np.full(channels, lo), np.full(channels, hi))


def code(table: ComparisonCounts, channel: int, x: int) -> int:
    y = x ^ int(table.flip[channel])
    assert table.y.lo[channel] <= y <= table.y.hi[channel]
    up, down = (y > side[channel] for side in (table.ups, table.downs))
    return int(table.base[channel] + up.sum() - down.sum())


@pytest.mark.parametrize("seed", range(8))
def test_codes_are_those_of_the_table(seed: int) -> None:
    bounds, signs, base, reached = drawn(seed)
    table = steps(bounds, signs, base, reached)
    assert (np.diff(table.ups, axis=1) >= 0).all()
    assert (np.diff(table.downs, axis=1) >= 0).all()
    for c in range(_CHANNELS):
        for x in range(reached.lo[c], reached.hi[c] + 1):
            expected = base[c] + (signs[c] * (x > bounds[c])).sum()
            assert code(table, c, x) == expected
            assert code(table.without_base(), c, x) == expected


def test_steps_that_no_number_decides_are_left_out() -> None:
    bounds = np.array([[-9, -2, 3, 9], [-9, 0, 9, 9]])
    signs = np.array([[-1, 1, 1, -1], [1, 1, -1, 1]])
    table = steps(bounds, signs, np.array([1, 0]), ends(-5, 5, 2))
    assert table.ups.tolist() == [[-2, 3], [0, 5]]
    assert table.downs.shape == (2, 0)
    assert table.base.tolist() == [0, 1]


def test_channels_that_fall_take_no_more_columns() -> None:
    """Falling is rising of the number turned around; only what does both needs a second side."""
    bounds = np.array([[-3, 0, 2], [-3, 0, 2], [-3, 0, 2]])
    signs = np.array([[1, 1, 1], [-1, -1, -1], [-1, -1, 1]])
    table = steps(bounds, signs, np.array([0, 3, 2]), ends(-5, 5, 3))
    assert table.flip.tolist() == [0, -1, -1]
    assert table.ups.tolist() == [[-3, 0, 2], [-4, -2, 1], [-2, 1, 4]]
    assert table.downs.tolist() == [[5], [4], [-4]]


def test_a_base_becomes_bounds_that_are_always_passed() -> None:
    bounds = np.array([[-3, 0, 2], [-3, 0, 2], [7, 7, 7]])
    signs, base = np.array([[1] * 3, [-1] * 3, [1] * 3]), np.array([0, 3, 2])
    table = steps(bounds, signs, base, ends(-5, 5, 3)).without_base()
    assert not table.base.any()
    assert table.ups[2].tolist() == [-6, -6, 5]


def test_a_base_stays_where_columns_do_not_suffice() -> None:
    bounds = np.array([[-3, 0], [-3, 0]])
    table = steps(bounds, np.ones_like(bounds), np.array([0, 1]), ends(-5, 5, 2))
    assert table.without_base() is table
