"""One meaning of a chain: every kind of number agrees with exact arithmetic, done by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes import Options
from n2uqc.passes.checks.channel_proof import Channel
from n2uqc.passes.exact.filtered_functions import FilteredFunction
from n2uqc.passes.exact.integer_thresholds import integer_thresholds
from n2uqc.passes.exact.piecewise import PiecewiseFunction
from n2uqc.passes.fixed_point.expected_flips import Steepness
from n2uqc.passes.fixed_point.formats import Formats
from n2uqc.passes.fixed_point.real_ranges import real_ranges
from n2uqc.passes.program import Interface, IntType, Program, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.operation import OPS, IllegalOp
from n2uqc.passes.program.ops.real import (
    Elementwise,
    Interval,
    Number,
    Quantize,
    RealClip,
    RealFunction,
    RealPRelu,
    Row,
)

from ..chains import by_hand, chains, code_by_hand, quantizers

N = TypeVar("N", bound=Number)
ZERO, MINUS = (Surd.of(0),), (Surd.of(-1),)
CLOSE = 1e-9  # float64 keeps far more of the numbers that are drawn here


@settings(max_examples=80, deadline=None)
@given(
    st.data(),
    st.integers(1, 3),
    st.integers(0, 5),
    st.integers(-40, 10),
    st.integers(0, 40),
    st.sampled_from([Fraction(1, 3), Fraction(1, 4), Fraction(1, 2**20)]),
)
def test_all_kinds_of_number_agree(data, channels, length, lo, count, unit) -> None:
    chain = data.draw(chains(channels, length))
    quantizer = data.draw(quantizers(channels, f"t{length}"))
    values = np.arange(lo, lo + count + 1)
    units = float(unit)
    ends = np.full(channels, lo), np.full(channels, lo + count)
    samples = np.broadcast_to(values[:, None] * units, (len(values), channels))
    interval = Interval(ends[0] * units, ends[1] * units)
    filtered = FilteredFunction.identity(ends, Surd.of(unit))
    steep = Steepness(np.ones(channels))
    with np.errstate(all="ignore"):  # quotients by slopes of 0
        for op in chain:
            samples = op.execute([samples], {})
            interval, filtered, steep = (op.evaluate(x) for x in (interval, filtered, steep))
    for c in range(channels):
        exact = PiecewiseFunction.identity(lo, lo + count, Surd.of(unit), c)
        for op in chain:
            exact = op.evaluate(exact)
        want = [by_hand(chain, Surd.of(int(v) * unit), c) for v in values]
        assert _function_values(exact) == want
        near = np.array([float(v) for v in want])
        np.testing.assert_allclose(samples[:, c], near, rtol=CLOSE, atol=CLOSE)
        assert interval.lo[c] - CLOSE <= near.min() and near.max() <= interval.hi[c] + CLOSE
        assert (np.abs(np.diff(near)) <= steep.slope[c] * units + CLOSE).all()
        if not filtered.unsure[c]:
            for v, number in zip(values, want, strict=True):
                assert _holds(filtered, int(v), c, number)
        codes = [code_by_hand(quantizer, number, c) for number in want]
        assert Channel(Surd.of(unit), chain, quantizer, c).codes(values).tolist() == codes


def _function_values(f: PiecewiseFunction) -> list[Surd]:
    return [s.slope * v + s.offset for s in f.segments for v in range(s.lo, s.hi + 1)]


def _holds(f: FilteredFunction, value: int, channel: int, number: Surd) -> bool:
    """Whether the one piece at a value gives a number, as far as it knows."""
    (piece,) = [p for p in f.pieces if p.lo[channel] <= value <= p.hi[channel]]
    x, error = Fraction(0), Fraction(0)
    for part, factor in ((piece.slope, value), (piece.offset, 1)):
        row, miss = (np.broadcast_to(v, f.lo.shape)[channel] for v in (part.value, part.error))
        x, error = x + Fraction(float(row)) * factor, error + Fraction(float(miss)) * abs(factor)
    return abs(number - x) <= error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Magnitude(Elementwise):
    """``y = |x| * slope[c]``: an operation that no pass has heard of."""

    slope: Row

    def evaluate(self, x: N) -> N:
        return x.branch(ZERO, lambda v: v.times(MINUS), lambda v: v).times(self.slope)


def test_passes_take_an_operation_by_its_meaning_alone() -> None:
    shape = (1, 1, 2)
    bent = Magnitude(output="y", inputs=("x",), slope=(Surd.of(1), Surd.of(2)))
    limits = tuple(Surd.of(Fraction(k)) for k in (3, 8))
    quantizer = Quantize(
        output="q",
        inputs=("y",),
        thresholds=(limits,),
        input_scale=Surd.of(1),
        strict=True,
        step=Surd.of(1),
        bits=2,
    )
    types = {
        "x": IntType(shape, 5, True, -10, 10, Fraction(1)),
        "y": RealType(shape),
        "q": IntType(shape, 2, False, 0, 2, Fraction(1)),
    }
    face = Interface.single("x", (2, 1, 1), "q", (2, 1, 1))
    program = Program("p", face, ("x",), ("q",), types, (bent, quantizer), {})
    ends = real_ranges(program, (0.0, 1.0))["y"]
    np.testing.assert_allclose((ends.lo, ends.hi), ([0, 0], [10, 20]), atol=1e-9)
    assert Formats(program, Options()).needed == set()
    folded = integer_thresholds(program)
    x = np.arange(-10, 11)[:, None, None, None] * np.ones((1, 1, 2), np.int64)
    got = dict(steps(folded, x))["q"]
    np.testing.assert_array_equal(got, dict(steps(program, x))["q"])
    size = np.abs(x) * [1, 2]
    np.testing.assert_array_equal(got, (size > 3).astype(int) + (size > 8))


def test_nan_stays_nan() -> None:
    """A sum that left float64 must not come back as a bound."""
    names = {"output": "y", "inputs": ("x",)}
    x = np.array([[np.nan]])
    bounded = RealClip(lo=Surd.of(0), hi=Surd.of(6), **names)
    for op in (bounded, RealPRelu(slope=(Surd.of(2),), **names)):
        assert np.isnan(op.execute([x], {})).all()


def test_ranges_without_end_stay_so() -> None:
    names = {"output": "y", "inputs": ("x",)}
    x = Interval(np.array([-np.inf]), np.array([np.inf]))
    bent = RealPRelu(slope=(Surd.of(-2),), **names).evaluate(x)
    assert (bent.lo, bent.hi) == (0, np.inf)
    cut = RealClip(lo=Surd.of(-1), hi=None, **names).evaluate(x)
    assert (cut.lo, cut.hi) == (-1, np.inf)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(0, 3))
def test_channels_in_another_order(data, channels, length) -> None:
    """The parameters of a channel go with it, a quantizer's rules too."""
    chain = data.draw(chains(channels, length))
    quantizer = data.draw(quantizers(channels, f"t{length}"))
    order = data.draw(st.permutations(range(channels)))
    x = np.linspace(-3, 3, 25)[:, None] * np.ones(channels)
    moved = x[:, order]
    for op in (*chain, quantizer):
        x, moved = op.execute([x], {}), op.reordered(order).execute([moved], {})
    assert (x[:, order] == moved).all()


@pytest.mark.parametrize(
    "kind", [k for k in OPS.values() if issubclass(k, Elementwise)], ids=lambda k: k.mnemonic
)
def test_rows_fit_the_channels(kind: type[Elementwise]) -> None:
    row = (Surd.of(1),) * 3
    rest = {f.name: None for f in dataclasses.fields(kind) if "None" in str(f.type)}
    if kind is RealFunction:
        rest = {"expression": "mul(p0,x)", "parameters": (row,)}
    op = kind(output="y", inputs=("x",), **dict.fromkeys(kind.row_fields(), row), **rest)
    assert op.infer({"x": RealType((4, 5, 3))}, {}) == RealType((4, 5, 3))
    if kind.row_fields() or kind is RealFunction:
        with pytest.raises(IllegalOp, match="do not fit 2 channels"):
            op.infer({"x": RealType((4, 5, 2))}, {})
