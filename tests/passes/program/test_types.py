"""Types of tensors and constants: widths that hold their values, and no fewer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program.types import Constant, limits_of, width_of

ENDS = st.integers(-(2**63), 2**63 - 1)


@given(ENDS, ENDS)
def test_the_narrowest_width(a: int, b: int) -> None:
    lo, hi = min(a, b), max(a, b)
    bits, signed = width_of(lo, hi)
    least, most = limits_of(bits, signed)
    assert signed == (lo < 0)
    assert least <= lo and hi <= most
    if bits > 1:
        least, most = limits_of(bits - 1, signed)
        assert not (least <= lo and hi <= most)


@given(st.lists(ENDS, max_size=5))
def test_narrow_constants_hold_their_values(values: list[int]) -> None:
    constant = Constant.narrow(values)
    ends = (min(values), max(values)) if values else (0, 0)
    assert (constant.bits, constant.encoding == "s") == width_of(*ends)
    assert constant.fault is None
    assert constant.storage_bits == constant.bits * len(values)
    assert not constant.values.flags.writeable


@pytest.mark.parametrize("bits", [0, -1, 65, 66])
def test_widths_that_there_are_not(bits: int) -> None:
    told = f"a width of {bits} bits"
    with pytest.raises(ValueError, match=told):
        limits_of(bits, True)
    fault = Constant(np.zeros(2, np.int64), "s", bits).fault
    assert fault is not None and told in fault


@pytest.mark.parametrize("bits", [1, 64])
def test_widths_that_there_are(bits: int) -> None:
    for encoding in ("s", "u"):
        assert Constant(np.zeros(2, np.int64), encoding, bits).fault is None


@pytest.mark.parametrize(
    ("encoding", "bits", "values", "told"),
    [
        ("u", 2, [0, 3], None),
        ("u", 2, [0, 4], "values leave u2"),
        ("u", 2, [-1, 3], "values leave u2"),
        ("s", 2, [-2, 1], None),
        ("s", 2, [-3, 1], "values leave s2"),
        ("s", 2, [-2, 2], "values leave s2"),
        ("odd", 2, [-3, -1, 1, 3], None),
        ("odd", 2, [-3, 5], "values leave odd2"),
        ("odd", 2, [1, 2], "an even value in odd2"),
        ("odd", 1, [-1, 1], None),
        ("odd", 1, [-1, 0], "an even value in odd1"),
        ("real", 64, [0.5], None),
    ],
)
def test_values_and_their_encoding(
    encoding: str, bits: int, values: list[float], told: str | None
) -> None:
    assert Constant(np.array(values), encoding, bits).fault == told


def test_sums_and_values_of_rows() -> None:
    weight = np.array([[1, -2, 3, 1], [0, 0, -4, 0]]).reshape(2, 2, 1, 2)
    constant = Constant.narrow(weight)
    assert constant.row_bound == 7
    assert constant.row_values == 3
    assert [v.tolist() for v in constant.row_sums] == [[5, 0], [-2, -4]]
