"""Requantization in less: halves found, biases and parts that round as SPEC.md says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.backends.cpu.kernels.rounding import halves, lifted, split, with_half

_INT32 = 1 << 31


def rounded(v: int, s: int) -> int:
    """SPEC.md: to nearest, halves away from zero."""
    half = (1 << s) >> 1
    return v + half >> s if v >= 0 else -(-v + half >> s)


ranges = st.tuples(st.integers(-500, 500), st.integers(0, 300)).map(lambda p: (p[0], p[0] + p[1]))
multipliers = st.integers(-70, 70) | st.integers(-(1 << 31), (1 << 31) - 1)


@given(ranges, multipliers, st.integers(-4000, 4000), st.integers(0, 12))
def test_halves_are_found(ends: tuple[int, int], m: int, b: int, s: int) -> None:
    numbers = [x * m + b for x in range(ends[0], ends[1] + 1)]
    met = [v for v in numbers if s and (v + (1 << (s - 1))) % (1 << s) == 0]
    assert halves(*ends, m, b, s) == (any(v < 0 for v in met), any(v >= 0 for v in met))


channels = st.lists(
    st.tuples(ranges, multipliers, st.integers(-(1 << 40), 1 << 40) | st.integers(-999, 999)),
    min_size=1,
    max_size=3,
)


def _rows(values: list[tuple[tuple[int, int], int, int]], shift: list[int]) -> list[np.ndarray]:
    columns = (
        [v[0][0] for v in values],
        [v[0][1] for v in values],
        [v[1] for v in values],
        [v[2] for v in values],
        shift,
    )
    return [np.array(column, dtype=object) for column in columns]


@given(channels, st.data(), st.booleans())
def test_biases_and_parts_round_alike(values: list, data: st.DataObject, above: bool) -> None:
    shift = [data.draw(st.integers(0, 31) | st.integers(32, 62)) for _ in values]
    lo, hi, m, b, s = _rows(values, shift)
    bias, turning = with_half(lo, hi, m, b, s, above)
    parts = split(lo, hi, m, bias, s)
    for c in range(len(values)):
        for x in range(lo[c], hi[c] + 1):
            v = x * m[c] + b[c]
            expected = rounded(v, s[c])
            total = x * m[c] + bias[c]
            total -= turning and s[c] > 0 and total - ((1 << s[c]) >> 1) < 0
            got = total >> s[c]
            assert got == expected or above and max(got, 0) == max(expected, 0)
            if parts is None:
                continue
            lower, upper = x * int(parts.m0[c]), x * int(parts.m1[c])
            for number in (lower, upper, lower + int(parts.b0[c]), upper + int(parts.b1[c])):
                assert -_INT32 < number < _INT32
            assert 0 < parts.low < 32 and 0 <= parts.rest[c] < 32
            lower, upper = lower + int(parts.b0[c]), upper + int(parts.b1[c])
            if turning:
                whole = upper + (lower >> parts.low)
                assert -_INT32 <= whole - int(parts.turn[c]) < _INT32
                lower -= whole < int(parts.turn[c])
            assert upper + (lower >> parts.low) >> int(parts.rest[c]) == got


@given(st.integers(1, 30), st.integers(-(1 << 12), 1 << 12))
def test_narrow_accumulators_always_split(s: int, b: int) -> None:
    """13-bit sums by 31-bit multipliers, the usual branch of a residual block."""
    row = [np.array([n], dtype=object) for n in (-4000, 4000, (1 << 31) - 5, b << 10, 14 + s % 16)]
    bias, _ = with_half(*row)
    assert split(row[0], row[1], row[2], bias, row[4]) is not None


@given(
    ranges,
    st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-9, 9),
    st.integers(-(1 << 40), 1 << 40),
    st.integers(0, 31),
)
def test_lifted_numbers_round_alike(ends: tuple[int, int], m: int, b: int, s: int) -> None:
    (up,) = lifted(np.array([m], dtype=object), np.array([s], dtype=object))
    assert up >= 0 and (up == 0 or abs(m << up) < _INT32)
    for x in ends:
        assert rounded(x * m + b << up, s + up) == rounded(x * m + b, s)


def test_lifted_channels_of_short_shifts_split() -> None:
    """One channel's multiplier is small and its shift short, as beside a much larger one."""
    lo, hi, m, b, s = (
        np.array(row, dtype=object)
        for row in ([-1439, -1439], [1432, 1432], [1 << 30, 1 << 16], [1 << 33, 5], [16, 2])
    )
    assert split(lo, hi, m, with_half(lo, hi, m, b, s)[0], s) is None
    up = lifted(m, s)
    bias, _ = with_half(lo, hi, m << up, b << up, s + up)
    assert split(lo, hi, m << up, bias, s + up) is not None


def test_a_lower_part_has_31_bits_at_most() -> None:
    """A tensor that is always 0, with a shift of 34, did not build."""
    rows = [np.array([number], dtype=object) for number in (0, 0, -954437177, 0, 34)]
    parts = split(*rows[:3], with_half(*rows)[0], rows[4])
    assert parts is not None and parts.low == 31 and parts.rest == 3


def test_the_number_itself_fits_32_bits_too() -> None:
    """Its upper part does, and the lower one alone takes it beyond."""
    for sign in (1, -1):
        for b1, fits in ((147_483_000, True), (147_483_300, False)):
            row = [0, 1000] if sign > 0 else [-1000, 0]
            lo, hi, m, b, s = (
                np.array([v], dtype=object)
                for v in (*row, (2_000_000 << 8) + 127, sign * (b1 << 8), 8)
            )
            upper, lower = 2_000_000 * 1000 + b1, 127 * 1000 >> 8
            assert upper < _INT32 and (upper + lower < _INT32) == fits
            found = split(lo, hi, m, b, s)
            assert (found is not None) == fits
            assert found is None or found.low == 8
