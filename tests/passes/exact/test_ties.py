"""A rule for each threshold: folding, proof and float execution agree with exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.checks.channel_proof import Channel
from n2uqc.passes.exact.integer_thresholds import table
from n2uqc.passes.exact.piecewise import PiecewiseFunction
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Quantize
from n2uqc.passes.program.types import RealType

HALVES = st.lists(st.integers(-12, 12), min_size=1, max_size=7).map(sorted)


def quantizer(halves: list[int], ties: list[bool]) -> Quantize:
    rows = (tuple(Surd.of(Fraction(t, 2)) for t in halves),)
    return Quantize(
        output="q",
        inputs=("x",),
        thresholds=rows,
        input_scale=Surd.of(1),
        strict=True,
        step=Surd.of(1),
        bits=3,
        ties=(tuple(ties),),
    )


def code(x: Fraction, halves: list[int], ties: list[bool]) -> int:
    limits = [Fraction(t, 2) for t in halves]
    return sum(x > t if strict else x >= t for t, strict in zip(limits, ties, strict=True))


@settings(max_examples=150, deadline=None)
@given(HALVES, st.data(), st.sampled_from([-1, 1]), st.integers(-3, 3))
def test_table_is_exact_at_every_tie(
    halves: list[int], data: st.DataObject, sign: int, offset: int
) -> None:
    ties = data.draw(st.lists(st.booleans(), min_size=len(halves), max_size=len(halves)))
    op = quantizer(halves, ties)
    chain = [
        Affine(
            output="a",
            inputs=("x",),
            slope=(Surd.of(sign),),
            offset=(Surd.of(Fraction(offset, 2)),),
        )
    ]
    scale, lo, hi = Fraction(1, 2), -20, 20
    rows = (np.array([lo]), np.array([hi]))
    bounds, signs, base = (c.values for c in table(op, list(chain), scale, rows, hi))
    proof = Channel(Surd.of(scale), chain, op, 0)
    values = np.arange(lo, hi + 1)
    for v in values.tolist():
        want = code(sign * scale * v + Fraction(offset, 2), halves, ties)
        got = int(base[0] + (signs[0] * (v > bounds[0])).sum())
        assert got == want == proof.codes(np.array([v]))[0]
    np.testing.assert_array_equal(
        proof.codes(values),
        [code(sign * scale * int(v) + Fraction(offset, 2), halves, ties) for v in values],
    )


@settings(max_examples=50, deadline=None)
@given(HALVES, st.data())
def test_execution_in_floats(halves: list[int], data: st.DataObject) -> None:
    ties = data.draw(st.lists(st.booleans(), min_size=len(halves), max_size=len(halves)))
    x = np.arange(-28, 29).reshape(1, 1, 57, 1) / 4
    got = quantizer(halves, ties).execute([x], {}).ravel()
    assert got.tolist() == [code(Fraction(int(v), 4), halves, ties) for v in range(-28, 29)]


def test_one_rule_for_all_stays() -> None:
    f = PiecewiseFunction.identity(0, 9, Surd.of(1))
    limits = [Surd.of(3), Surd.of(5)]
    assert f.steps(limits, strict=True) == f.steps(limits, strict=[True] * 2)
    assert f.steps(limits, strict=[False, True]) == (0, {2: 1, 5: 1})


def test_rules_fit_the_thresholds() -> None:
    with pytest.raises(ValueError, match="rules"):
        quantizer([1, 2, 3], [True]).infer({"x": RealType((1, 1, 1))}, {})
