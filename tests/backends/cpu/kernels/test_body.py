"""Numbers of each channel, and offsets that are still to be added."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from n2uqc.backends.cpu.kernels.body import Body, Value, pixelwise


def empty(slots: list[int]) -> Body:
    """A kernel of nothing yet."""
    nothing: Any = None
    return Body(nothing, nothing, {}, {}, nothing, slots=np.array(slots))


def test_a_number_that_all_channels_share_takes_no_memory() -> None:
    body = empty([0, 1, 2, 2])
    number = body.row("same", np.array([7, 7, 7]), "int16")(tirx.const(1, "int32"))
    assert isinstance(number, tirx.IntImm) and int(number) == 7 and str(number.ty.dtype) == "int16"
    assert not body.operands
    body.row("others", np.array([7, 7, 8]), "int16")(tirx.const(1, "int32"))
    ((_, values),) = body.operands
    assert isinstance(values, np.ndarray) and values.dtype == np.int16
    assert values.tolist() == [7, 7, 8, 8]


def test_offsets_are_added_in_a_type_that_holds_all_of_it() -> None:
    """The rest, the offset and the sum: any of them may be the widest."""
    zero = tirx.const(0, "int8")
    for lo, hi, offset, dtype in (
        ([-5, 0], [5, 9], [3, -7], "int16"),
        ([-5, 40_000], [5, 40_000], [3, 20_000], "int32"),
        ([0, 0], [9, 9], [-40_000, 0], "int32"),
        ([0, 30_000], [9, 30_000], [0, -30_000], "int32"),
        ([0, 0], [1 << 31, 9], [1 << 31, 0], "int64"),
    ):
        body = empty([0, 1])
        value = Value(zero, np.array(lo), np.array(hi), np.array(offset))
        rest, taken = body.without_offset(value)
        assert taken is not None and rest.offset is None
        assert (rest.lo + taken).tolist() == lo and (rest.hi + taken).tolist() == hi
        whole = body.settled(value, tirx.const(0, "int32"))
        assert whole.offset is None and (whole.lo.tolist(), whole.hi.tolist()) == (lo, hi)
        assert str(whole.expr.ty.dtype) == dtype
    plain = Value(zero, np.array([0]), np.array([1]))
    assert body.settled(plain, zero) is plain and body.without_offset(plain) == (plain, None)


def test_pixels_are_counted_row_by_row() -> None:
    assert [pixelwise(5)(p, 3) for p in (0, 4, 5, 13)] == [
        (0, 0, 3), (0, 4, 3), (1, 0, 3), (2, 3, 3),
    ]  # fmt: skip
