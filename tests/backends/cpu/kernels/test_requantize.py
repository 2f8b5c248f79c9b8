"""Which requantizations take the cheaper forms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.body import Value
from n2uqc.backends.cpu.kernels.requantize import _above_zero, _fits_int32
from n2uqc.passes.program import Add, Clamp, Op, Requantize


def clamp(lo: int) -> Clamp:
    return Clamp(output="z", inputs=("y",), lo=lo, hi=99)


@pytest.mark.parametrize(
    ("lo", "behind", "above"),
    [
        (0, [], True),
        (-1, [], False),
        (-9, [clamp(0)], True),
        (-9, [clamp(-1)], False),
        (-9, [clamp(0), clamp(0)], False),  # as another might read a negative number
        (-9, [Add(output="z", inputs=("y", "w"))], False),
    ],
)
def test_results_below_zero_are_told(lo: int, behind: list[Op], above: bool) -> None:
    op = Requantize(output="y", inputs=("x",), multiplier="m", bias="b", shift="s", lo=lo, hi=99)
    body: Any = SimpleNamespace(group=SimpleNamespace(ops=(op, *behind)))
    assert _above_zero(op, body) == above


def test_numbers_that_32_bits_hold_with_one_less_than_the_least() -> None:
    most = (1 << 31) - 1
    for lo, hi, fits in ((-most + 1, most, True), (-most, most, False), (0, most + 1, False)):
        assert _fits_int32(np.array([[0, lo], [hi, 1]])) == fits
        assert _fits_int32(np.zeros(1, np.int64), np.array([lo, hi])) == fits
    for lo, hi, fits in ((-most, most, True), (-most - 1, 0, False), (0, most + 1, False)):
        assert _fits_int32(Value(None, np.array([0, lo]), np.array([hi, 0]))) == fits
