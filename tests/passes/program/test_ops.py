"""Each operation against its sentence in SPEC.md, and every rule that it refuses by."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program import (
    Add,
    Clamp,
    Constant,
    Conv,
    IllegalOp,
    IntType,
    MaxPool,
    PRelu,
    Requantize,
    SumPool,
    Thresholds,
)
from n2uqc.passes.program.rounding import round_product, round_shift, round_shift_exact

X = IntType((4, 4, 2), 8, True, -100, 100, Fraction(1, 2))


@given(st.integers(-(2**60), 2**60), st.integers(0, 61))
def test_rounding_is_half_away_from_zero(value: int, shift: int) -> None:
    exact = Fraction(value, 1 << shift)
    down = exact.numerator // exact.denominator
    gap = exact - down
    want = down + (gap > Fraction(1, 2) or (gap == Fraction(1, 2) and value > 0))
    assert round_shift_exact(value, shift) == want
    assert int(round_shift(np.array([value]), shift)[0]) == want


@st.composite
def products(draw: st.DrawFn) -> tuple[int, int, int]:
    """Value, factor, shift of a ``round_product``; every other one is a half exactly."""
    shift = draw(st.integers(0, 31))
    value, factor = draw(st.integers(-(2**30), 0)), draw(st.integers(1 - 2**30, 2**30 - 1))
    if shift and draw(st.booleans()):
        low = draw(st.integers(max(0, shift - 21), min(20, shift - 1)))
        value, factor = (value >> 20 | 1) << low, (factor >> 20 | 1) << (shift - 1 - low)
        assert (value * factor) % (1 << shift) == 1 << shift >> 1
    return min(value, 0), factor, shift


@given(products())
def test_products_are_rounded_alike(case: tuple[int, int, int]) -> None:
    value, factor, shift = case
    [got] = round_product(np.array([value]), np.array([factor]), shift).tolist()
    assert got == round_shift_exact(value * factor, shift)


def test_products_of_more_than_64_bits() -> None:
    rng = np.random.default_rng(0)
    value = -rng.integers(0, 2**62, 2000)
    factor, shift = rng.integers(1 - 2**31, 2**31, 2000), 31
    got = round_product(value, factor, shift).tolist()
    pairs = zip(value.tolist(), factor.tolist(), strict=True)
    assert got == [round_shift_exact(v * f, shift) for v, f in pairs]


def test_conv_equals_its_sum() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-3, 4, (6, 3, 2, 1))
    consts = {"w": Constant.narrow(weight)}
    op = Conv(
        output="y",
        inputs=("x",),
        weight="w",
        stride=(2, 1),
        pads=(1, 0, 2, 1),
        dilation=(1, 2),
        groups=2,
        pad_value=-7,
    )
    x = rng.integers(-100, 101, (2, 4, 4, 2))
    got = op.execute([x], consts)
    kind = op.infer({"x": X}, consts)
    assert got.shape[1:] == kind.shape
    for n, i, j, o in np.ndindex(*got.shape):
        total = 0
        for r, s in np.ndindex(3, 2):
            row, column = 2 * i + r - 1, j + 2 * s
            inside = 0 <= row < 4 and 0 <= column < 4
            value = x[n, row, column, o // 3] if inside else -7
            total += int(weight[o, r, s, 0]) * int(value)
        assert got[n, i, j, o] == total


@given(st.integers(0, 2**32 - 1))
def test_conv_range_is_reached(seed: int) -> None:
    """The proven range is tight: some input takes each channel to its ends."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-3, 4, (3, 2, 2, 2))
    consts = {"w": Constant.narrow(weight)}
    op = Conv(output="y", inputs=("x",), weight="w")
    kind = IntType((2, 2, 2), 3, True, -3, 2)
    least, greatest = op.channel_ranges(kind, consts)
    for c in range(3):
        top = np.where(weight[c] > 0, 2, -3)[None]
        bottom = np.where(weight[c] > 0, -3, 2)[None]
        assert op.execute([top], consts)[0, 0, 0, c] == greatest[c]
        assert op.execute([bottom], consts)[0, 0, 0, c] == least[c]


def test_conv_in_64_bits_where_floats_would_round() -> None:
    consts = {"w": Constant.narrow(np.array([2**30 + 1, 3]).reshape(1, 1, 1, 2))}
    op = Conv(output="y", inputs=("x",), weight="w")
    x = np.array([2**31 - 1, 2**31 - 1]).reshape(1, 1, 1, 2)
    assert op.execute([x], consts)[0, 0, 0, 0] == (2**30 + 4) * (2**31 - 1)


def refusals() -> list:
    c = Constant.narrow
    table = {"b": c([[0, 1]] * 2), "s": Constant.odd(np.ones((2, 2), int), 1), "z": c([0, 0])}
    rq = {"m": c([1, 1]), "b": c([0, 0]), "s": c([0, 0])}
    wide = IntType((4, 4, 2), 40, True, -(2**39), 2**39 - 1)
    th = {"output": "y", "inputs": ("x",), "bounds": "b", "signs": "s", "base": "z", "bits": 2}
    rqa = {
        "output": "y",
        "inputs": ("x",),
        "multiplier": "m",
        "bias": "b",
        "shift": "s",
        "lo": -9,
        "hi": 9,
    }
    pr = {
        "output": "y",
        "inputs": ("x",),
        "multiplier": "m",
        "bias": "b",
        "shift": 0,
        "lo": -9,
        "hi": 9,
    }
    one = c(np.ones((1, 3, 3, 2), int))
    return [
        (
            Conv(output="y", inputs=("x",), weight="w"),
            {"w": c(np.ones((1, 1, 1, 3), int))},
            X,
            "does not fit 2 channels",
        ),
        (
            Conv(output="y", inputs=("x",), weight="w", stride=(1, 1)),
            {"w": c(np.ones((1, 9, 9, 2), int))},
            X,
            "window does not fit",
        ),
        (
            Conv(output="y", inputs=("x",), weight="w"),
            {"w": c(one.values * 2**40)},
            wide,
            "more than 64 bits",
        ),
        (Thresholds(**th), {**table, "b": c([[1, 0]] * 2)}, X, "out of order"),
        (Thresholds(**th), {**table, "b": c([[0, 1]])}, X, "do not fit 2 channels"),
        (Thresholds(**th), {**table, "s": c(np.full((2, 2), 2))}, X, "signs other"),
        (Thresholds(**th), {**table, "z": c([3, 0])}, X, "codes 0..5 leave 0..3"),
        (Requantize(**rqa), {**rq, "m": c([2**31, 1])}, X, "more than 32 bits"),
        (Requantize(**rqa), {**rq, "s": c([63, 1])}, X, "a shift leaves"),
        (Requantize(**rqa), {**rq, "m": c([2**30, 1])}, wide, "more than 64 bits"),
        (Requantize(**rqa), {**rq, "b": c([0])}, X, "do not fit 2 channels"),
        (Requantize(**{**rqa, "lo": 10}), rq, X, "empty saturation range"),
        (PRelu(**pr), {**rq, "m": c([2**30, 1])}, wide, "more than 64 bits"),
        (PRelu(**{**pr, "shift": 32}), rq, X, "shift leaves"),
        (Clamp(output="y", inputs=("x",), lo=1, hi=0), {}, X, "empty range"),
        (Add(output="y", inputs=("x",)), {}, X, "two inputs"),
        (MaxPool(output="y", inputs=("x",), kernel=(5, 5)), {}, X, "window does not fit"),
        (
            SumPool(output="y", inputs=("x",), kernel=(2, 2), pads=(2, 0, 0, 0)),
            {},
            X,
            "padding as wide",
        ),
    ]


@pytest.mark.parametrize("case", refusals(), ids=lambda c: f"{c[0].mnemonic}-{c[3]}")
def test_refusals(case) -> None:
    op, consts, x, message = case
    with pytest.raises(IllegalOp, match=message.replace("(", r"\(").replace(".", r"\.")):
        op.infer({"x": x}, consts)


def test_add_needs_one_scale() -> None:
    other = IntType((4, 4, 2), 8, True, -100, 100, Fraction(1, 3))
    with pytest.raises(IllegalOp, match="scales 1/2 and 1/3 differ"):
        Add(output="y", inputs=("x", "z")).infer({"x": X, "z": other}, {})


def test_thresholds_non_monotone() -> None:
    op = Thresholds(output="y", inputs=("x",), bounds="b", signs="s", base="z", bits=1)
    signs = Constant.odd(np.array([[1, -1], [-1, 1]]), 1)
    consts = {"b": Constant.narrow([[-3, 5]] * 2), "s": signs, "z": Constant.narrow([0, 1])}
    x = np.array([-4, -3, -2, 5, 6])
    got = op.execute([np.stack([x, x], axis=1).reshape(5, 1, 1, 2)], consts).reshape(5, 2)
    assert got.T.tolist() == [[0, 0, 1, 1, 0], [1, 1, 0, 0, 1]]


def test_an_operation_whose_rule_fails_is_illegal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever attributes a file holds, verification says which operation they belong to."""
    from n2uqc.passes.program import verify

    from ...properties.programs import Builder

    b = Builder(0, 3, 2, 2, False)
    program = b.finish(b.thresholds(b.conv("x", 2, bits=1), 1))

    def fail(*_: object) -> None:
        raise IndexError("no such axis")

    monkeypatch.setattr(type(program.ops[0]), "infer", fail)
    with pytest.raises(IllegalOp, match="%t0 = conv: it has no such form"):
        verify(program)
