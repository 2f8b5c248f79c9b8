"""Sums of fixed-point taps: their types at the ends of ranges, and how often they are read."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.taps import sums

TOP = (1 << 15) - 1


def unit(**taps: int) -> np.ndarray:
    """Weights of one output: taps by position, ``at3=5``."""
    parts = np.zeros((1, 1, 16), np.int64)
    for name, value in taps.items():
        parts[0, 0, int(name.removeprefix("at"))] = value
    return parts


@pytest.mark.parametrize(
    ("first", "last", "count"), [((16500, 16500), (TOP, TOP), 2), ((TOP, TOP), (16500, 16500), 1)]
)
def test_the_last_chunk_is_read_where_it_may_add_too_much(
    first: tuple[int, int], last: tuple[int, int], count: int
) -> None:
    """Two chunks of two products; accumulators know what is dropped and not read up to 2^31.

    A reading drops up to a unit of 2^16, and the lower half as much: beside it 32767 * 65534 is too
    much, 32767 * 33000 is not.
    """
    parts = unit(at0=first[0], at1=first[1], at8=last[0], at9=last[1])
    found = sums(parts, 0, TOP, int(parts.sum()) * TOP)
    assert found is not None and found.chunks == ((0, 1), (8, 9))
    assert found.readings is not None
    assert (found.readings.count, found.readings.shift) == (count, 1)
    assert (sum(last) * TOP + 2 * (1 << 16) > 1 << 31) == (count == 2)
    assert (found.operand, found.product, found.total) == ("int16", "int32", "int64")


def test_types_at_the_ends_of_ranges() -> None:
    def types(weight: int, lo: int, hi: int, most: int) -> tuple[str, str, str]:
        found = sums(unit(at3=weight), lo, hi, most)
        assert found is not None and found.chunks == ((3,),)
        return found.operand, found.product, found.total

    plain, wide = ("int16", "int32", "int32"), ("int32", "int64", "int64")
    assert types(TOP, -TOP - 1, TOP, (1 << 31) - 1) == plain
    assert types(-TOP - 1, 0, TOP, 1 << 30) == plain
    assert types(TOP, -TOP - 2, 0, 1 << 31) == types(1, 0, TOP + 1, TOP + 1) == wide
    assert types(TOP + 1, 0, 1, TOP + 1) == types(-TOP - 2, 0, 1, TOP + 2) == wide
    assert types(1, 0, (1 << 31) - 1, (1 << 31) - 1) == wide
    assert sums(unit(at0=-(1 << 31)), 0, 1, 1 << 31) is None
