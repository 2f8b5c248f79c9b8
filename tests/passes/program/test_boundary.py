"""Real images become integers and integers real outputs as SPEC.md, "Values", says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program import (
    Flatten,
    Interface,
    IntType,
    Program,
    quantize_input,
    real_output,
    verify,
)
from n2uqc.passes.program.boundary import SaturationWarning

SCALE = Fraction(1, 8)


def program(lo: int = -100, hi: int = 90) -> Program:
    x = IntType((2, 3, 4), 8, True, lo, hi, SCALE)
    op = Flatten(output="y", inputs=("x",))
    types = {"x": x, "y": IntType((1, 1, 24), 8, True, lo, hi, Fraction(1, 3))}
    made = Program(
        "p", Interface.single("x", (4, 2, 3), "y", (24,)), ("x",), ("y",), types, (op,), {}
    )
    verify(made)
    return made


@given(st.lists(st.integers(-200, 180), min_size=24, max_size=24))
def test_halves_go_to_the_even_integer(halves: list[int]) -> None:
    images = np.array(halves, np.float32).reshape(1, 4, 2, 3) / 2 * float(SCALE)
    got = quantize_input(program(), images)
    want = [round(Fraction(h, 2)) for h in halves]  # Python's own rule is half to even
    assert got.transpose(0, 3, 1, 2).ravel().tolist() == want


def test_values_outside_are_clamped_with_a_warning() -> None:
    images = np.zeros((1, 4, 2, 3))
    images[0, 0, 0] = (-100.5, 90.5, 91.0)  # -100.5 rounds to -100, 90.5 to 90
    with pytest.warns(SaturationWarning, match="1 of 24 input values"):
        got = quantize_input(program(), images * float(SCALE))
    assert got[0, 0, :, 0].tolist() == [-100, 90, 90]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_largest_numbers_are_clamped_too() -> None:
    images = np.full((1, 4, 2, 3), np.finfo(np.float64).max)
    images[0, 0] *= -1
    with pytest.warns(SaturationWarning, match="24 of 24 input values"):
        got = quantize_input(program(), images)
    assert got[0, ..., 0].max() == -100 and got[0, ..., 1:].min() == 90


def test_outputs_are_scaled() -> None:
    y = np.arange(24, dtype=np.int64).reshape(1, 1, 1, 24)
    np.testing.assert_array_equal(real_output(program(), y), np.arange(24)[None] * (1 / 3))
