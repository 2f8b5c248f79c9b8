"""Real images become integers and integers real outputs as SPEC.md, "Values", says."""

from __future__ import annotations

from dataclasses import replace
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
from n2uqc.passes.program.boundary import InputError, SaturationWarning, check_integers

SCALE = Fraction(1, 8)


def program(lo: int = -100, hi: int = 90) -> Program:
    x = IntType((2, 3, 4), 9, True, lo, hi, SCALE)
    op = Flatten(output="y", inputs=("x",))
    types = {"x": x, "y": replace(x, shape=(1, 1, 24), scale=Fraction(1, 3))}
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


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((1, 2, 3, 5), np.int64), r"shape \(1, 2, 3, 5\) where \(N, 2, 3, 4\) is taken"),
        (np.zeros((1, 3, 2, 4), np.int64), r"shape \(1, 3, 2, 4\)"),
        (np.zeros((2, 3, 4), np.int64), r"shape \(2, 3, 4\)"),
        (np.zeros((), np.int64), r"shape \(\)"),
        (np.zeros((1, 2, 3, 4, 1), np.int64), r"shape \(1, 2, 3, 4, 1\)"),
        (np.zeros((1, 2, 3, 4)), "dtype float64"),
        (np.zeros((1, 2, 3, 4), bool), "dtype bool"),
        (np.full((1, 2, 3, 4), 91), r"values 91\.\.91 leave \[-100, 90\]"),
        (np.full((1, 2, 3, 4), -101), r"values -101\.\.-101 leave \[-100, 90\]"),
    ],
)
def test_integers_that_a_program_does_not_take(x: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_integers(program(), {"x": x})


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_integers_that_a_program_takes(dtype: type) -> None:
    """Codes of any width, up to both ends, and none at all."""
    x = np.zeros((2, 2, 3, 4), dtype)
    x[0] = 90
    if dtype is not np.uint8:
        x[1] = -100
    check_integers(program(), {"x": x})
    check_integers(program(), {"x": x[:0]})


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((1, 4, 2, 3), np.int64), "dtype int64"),
        (np.zeros((1, 4, 2, 3), np.uint8), "dtype uint8"),
        (np.zeros((1, 2, 3, 4)), r"shape \(1, 2, 3, 4\); it takes \(N, 4, 2, 3\)"),
        (np.zeros((4, 2, 3)), r"shape \(4, 2, 3\)"),
        (np.zeros(()), r"shape \(\)"),
        (np.full((1, 4, 2, 3), np.nan), r"not finite at index \(0, 0, 0, 0\): nan"),
        (np.full((1, 4, 2, 3), -np.inf), "not finite"),
    ],
)
def test_images_that_a_program_does_not_take(x: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        quantize_input(program(), x)


def test_pixels_are_the_integers() -> None:
    taken = program(0, 255)
    (port,) = taken.interface.inputs
    face = replace(taken.interface, inputs=(replace(port, pixels=True),))
    pixels = replace(taken, interface=face)
    x = np.arange(24, dtype=np.uint8).reshape(1, 4, 2, 3)
    np.testing.assert_array_equal(quantize_input(pixels, x), x.transpose(0, 2, 3, 1))
    with pytest.raises(InputError, match=r"dtype float64; .* takes uint8"):
        quantize_input(pixels, x / 1.0)
