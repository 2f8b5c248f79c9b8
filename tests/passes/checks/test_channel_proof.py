"""The proof of a channel whose integers are too many to look at each of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.checks.channel_proof import (
    EXHAUSTIVE,
    Channel,
    Enclosed,
    Exact,
    Parameter,
    differences,
)
from n2uqc.passes.checks.relation import Unrelated
from n2uqc.passes.exact.integer_thresholds import exact_steps
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Quantize, RealAdd, RealClip, RealPRelu

from ..chains import by_hand, chains, code_by_hand, quantizers


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 4), st.sampled_from([20, 40, 62]), st.sampled_from([-1, 1]))
def test_tables_of_wide_ranges(data, length, bits, off) -> None:
    """A right table passes; one whose bound is off by one integer does not."""
    chain, op = data.draw(chains(1, length)), data.draw(quantizers(1, f"t{length}"))
    lo = -data.draw(st.integers(0, 2**bits))
    hi = data.draw(st.integers(EXHAUSTIVE, 2**bits))
    unit = Fraction(1, 2 ** (bits - 3))
    base, deltas = exact_steps(op, chain, unit, 0, lo, hi)

    def found(steps: dict[int, int]) -> list[tuple[int, int, int]]:
        bounds = np.array(sorted(steps), np.int64)
        sums = np.concatenate([[0], np.cumsum([steps[int(b)] for b in bounds])]).astype(np.int64)

        def table(values: np.ndarray) -> np.ndarray:
            return base + sums[np.searchsorted(bounds, values)]

        channel = Channel(Surd.of(unit), chain, op, 0)
        return list(differences(channel, table, bounds, lo, hi))

    assert not found(deltas)
    movable = [b for b in deltas if lo <= b + off < hi and b + off not in deltas]
    if movable:
        bound = data.draw(st.sampled_from(movable))
        wrong = found({b + off if b == bound else b: d for b, d in deltas.items()})
        assert len(wrong) == 1
        ((value, table_code, network_code),) = wrong
        assert value == max(bound, bound + off)
        assert network_code == code_by_hand(op, by_hand(chain, Surd.of(value * unit), 0), 0)
        assert abs(table_code - network_code) == abs(deltas[bound])


@pytest.mark.parametrize("size", [Fraction(1, 10**320), Fraction(1, 10**200), Fraction(10**320)])
def test_numbers_that_float64_does_not_hold(size: Fraction) -> None:
    """They are judged exactly: neither 0 nor infinite."""
    names = {"output": "y", "inputs": ("x",)}
    chain = [Affine(slope=(Surd.of(size),), offset=(Surd.of(0),), **names) for _ in range(2)]
    limits = tuple(Surd.of(size * size * k) for k in (Fraction(-3, 2), 0, Fraction(5, 2)))
    op = Quantize(
        output="q",
        inputs=("y",),
        thresholds=(limits,),
        input_scale=Surd.of(1),
        strict=True,
        step=Surd.of(1),
        bits=2,
    )
    values = np.arange(-4, 5)
    codes = Channel(Surd.of(1), chain, op, 0).codes(values)
    assert codes.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]


def test_float64_decides_what_is_not_close() -> None:
    """Parameters that float64 rounds, far from every threshold: nothing is computed exactly."""
    names = {"output": "y", "inputs": ("x",)}
    chain = [
        Affine(slope=(Surd.of(Fraction(3, 7)),), offset=(Surd.root(2),), **names),
        RealPRelu(slope=(Surd.of(Fraction(-1, 5)),), **names),
        RealClip(lo=None, hi=Surd.of(300), **names),
    ]
    limits = tuple(Surd.of(Fraction(k)) + Surd.root(3) for k in (-9, 11, 50, 290, 301))
    op = Quantize(
        output="q", inputs=("y",), thresholds=(limits,), input_scale=Surd.of(1), strict=True,
        step=Surd.of(1), bits=3, ties=((True,) * 5,),
    )  # fmt: skip
    values = np.arange(-900, 901, 4)
    channel = Channel(Surd.of(1), chain, op, 0)
    codes = channel.codes(values).tolist()
    assert codes == [code_by_hand(op, by_hand(chain, Surd.of(int(v)), 0), 0) for v in values]
    assert (channel.exact_count, channel.ties) == (0, 0)


def test_an_operation_that_the_proof_does_not_know() -> None:
    op = Quantize(
        output="q",
        inputs=("y",),
        thresholds=((Surd.of(0),),),
        input_scale=Surd.of(1),
        strict=True,
        step=Surd.of(1),
        bits=1,
    )
    with pytest.raises(Unrelated, match="no table stands for real_add"):
        Channel(Surd.of(1), [RealAdd(output="y", inputs=("x", "x"))], op, 0)


@pytest.mark.parametrize(
    ("lo", "hi", "lost"),
    [
        (0.0, 0.0, False),
        (0.0, 1e-200, True),
        (-1e-200, 0.0, True),
        (1e-200, 2e-200, True),
        (-1e-200, 1e-200, True),
        (0.0, 1.0, False),
        (-1.0, 1e-200, False),
    ],
)
def test_products_that_float64_may_lose_are_left_to_exact_numbers(
    lo: float, hi: float, lost: bool
) -> None:
    """A product that underflows would have no sign; 0 itself has none to lose."""
    tiny = Parameter(Surd.of(1e-200))
    numbers = Enclosed(np.array([lo]), np.array([hi]), np.zeros(1, bool))
    with np.errstate(all="ignore"):
        assert numbers.times(tiny).undecided.tolist() == [lost]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4))
def test_float64_bounds_hold_the_exact_numbers(data, values) -> None:
    """Each step is followed, unless the number is left to exact ones."""
    some = st.one_of(
        st.fractions(-9, 9, max_denominator=12).map(Surd.of),
        st.builds(lambda k, q: Surd.root(q) * k, st.integers(-5, 5), st.integers(2, 7)),
    )
    close, exact = Enclosed.of(np.array(values)), Exact.of(np.array(values))
    for _ in range(data.draw(st.integers(1, 5))):
        kind, number = data.draw(st.sampled_from(["times", "plus"])), Parameter(data.draw(some))
        with np.errstate(all="ignore"):
            close = getattr(close, kind)(number)
        exact = getattr(exact, kind)(number)
        level = Parameter(data.draw(some))
        below, above = close.less(level), close.greater(level)
        ends = zip(close.lo, close.hi, exact.values, close.undecided, strict=True)
        for k, (lo, hi, value, undecided) in enumerate(ends):
            if not undecided:
                assert Fraction(lo) <= value <= Fraction(hi)
                assert (below[k], above[k]) == (value < level.exact, value > level.exact)
