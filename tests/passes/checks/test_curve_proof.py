"""The proof of tables after functions of one number: right ones pass, wrong ones do not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from n2uqc.passes.checks import curve_proof
from n2uqc.passes.checks.curve_proof import CodeRuns, CurveProof, runs_of
from n2uqc.passes.checks.extended import BoundedArithmetic, LongInterval
from n2uqc.passes.checks.relation import Unrelated
from n2uqc.passes.exact.curved_chains import fold_curved
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Elementwise, Quantize, RealFunction

EXPRESSIONS = [
    "sigmoid(x)",
    "mul(x,sigmoid(x))",
    "mul(1/2,mul(x,erfc(mul(-1,mul(x,sqrt(1/2))))))",
    "mul(x,min(1,max(0,add(1/2,mul(1/6,x)))))",
    "mul(x,tanh(softplus(x)))",
    "add(max(0,x),expm1(min(0,x)))",
    "sqrt(add(1,pow(x,2)))",
    "div(1,add(2,abs(x)))",
]


def _table(expression: str, slope: Fraction, levels: list[Fraction], lo: int, hi: int) -> Any:
    chain: list[Elementwise] = [
        Affine(output="a", inputs=("v",), slope=(Surd.of(slope),), offset=(Surd.of(0),)),
        RealFunction(output="y", inputs=("a",), expression=expression),
    ]
    quantizer = Quantize(
        output="q", inputs=("y",), thresholds=(tuple(map(Surd.of, levels)),), strict=False,
        input_scale=Surd.of(1), step=Surd.of(1), bits=4,
    )  # fmt: skip
    return (
        chain,
        quantizer,
        fold_curved(quantizer, chain, Surd.of(1), tuple(map(np.array, ([lo], [hi])))),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.integers(1, 64),
    st.lists(st.integers(-4, 12), min_size=1, max_size=4, unique=True),
    st.sampled_from([40, 1 << 13]),
    st.sampled_from([-1, 1]),
)
@example("sigmoid(x)", 64, [0, 8], 1 << 13, -1)  # 1 is never reached, and no digits tell
def test_bounds_off_by_one(expression, slope, levels, reach, off) -> None:
    """Tables of the passes pass; one whose bound is off by one integer is found out there."""
    limits = [Fraction(k, 8) for k in sorted(levels)]
    chain, quantizer, steps = _table(expression, Fraction(slope, 64), limits, -reach, reach)

    def found(bounds: np.ndarray) -> list[Any]:
        order = np.argsort(bounds, kind="stable")
        sums = np.concatenate([[0], np.cumsum(steps.signs[order])])

        def table(values: np.ndarray) -> np.ndarray:
            return steps.base[0] + sums[np.searchsorted(bounds[order], values)]

        runs = runs_of(table, bounds[order], 0, -reach, reach)
        return CurveProof([Surd.of(1)], chain, quantizer).differences(runs)

    assert not found(steps.bounds)
    if len(steps.bounds):
        moved = np.where(steps.bounds == steps.bounds[0], steps.bounds[0] + off, steps.bounds)
        wrong = found(moved)
        assert {value for _, value, _, _ in wrong} == {max(steps.bounds[0], steps.bounds[0] + off)}


def test_ends_that_are_never_reached() -> None:
    """Sigmoid is below 1 for every x, though no 200 digits tell it from 1."""
    chain, quantizer, _ = _table("sigmoid(x)", Fraction(1, 4), [Fraction(0), Fraction(1)], 0, 9)
    proof = CurveProof([Surd.of(1)], chain, quantizer)
    runs = CodeRuns(*(np.array(v) for v in ([0], [-9000], [9000], [1])))
    assert not proof.differences(runs)
    wrong = CodeRuns(*(np.array(v) for v in ([0, 0], [-9000, 9000], [8999, 9000], [1, 2])))
    assert proof.differences(wrong) == [(0, 9000, 2, 1)]
    assert proof._code(0, 1000) == 1  # 1 - exp(-250): within the digits
    assert proof._code(0, 9000) == 1  # 1 - exp(-2250): of 977 digits


def test_tails_below_float64() -> None:
    """SiLU and GELU are below 0 for every negative x, however close they come to it."""
    for expression in EXPRESSIONS[1:3]:
        chain, quantizer, steps = _table(expression, Fraction(1, 4), [Fraction(0)], -12000, 100)
        assert (steps.base.tolist(), steps.bounds.tolist()) == ([0], [-1])
        runs = CodeRuns(*(np.array(v) for v in ([0, 0], [-12000, 0], [-1, 100], [0, 1])))
        proof = CurveProof([Surd.of(1)], chain, quantizer)
        assert not proof.differences(runs)
        later = CodeRuns(*(np.array(v) for v in ([0, 0], [-12000, 1], [0, 100], [0, 1])))
        assert proof.differences(later) == [(0, 0, 0, 1)]


def test_a_table_that_is_searched() -> None:
    """The codes of a requantization are found by halving."""
    runs = runs_of(lambda v: np.clip(v // 10, -1, 3), np.zeros(0, np.int64), 5, -40, 70)
    assert runs.first.tolist() == [-40, 0, 10, 20, 30]
    assert runs.code.tolist() == [-1, 0, 1, 2, 3]
    assert set(runs.channel) == {5}


_POINTS = [-3000.0, -800.0, -40.0, -5.5, -1.0, -1e-9, 0.0, 1e-200, 0.3, 1.0, 6.0, 30.0, 900.0]


@pytest.mark.parametrize("name", "sigmoid softplus tanh expm1 exp erf erfc sin cos atan".split())
def test_bounds_hold_the_value(name: str) -> None:
    """Extended precision bounds what mpmath computes at 60 digits, closely."""
    x = np.array(_POINTS, np.longdouble)
    found = BoundedArithmetic().call(name, LongInterval(x, x))
    functions = {
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
        "softplus": lambda v: mpmath.log1p(mpmath.exp(v)),
    }
    with mpmath.workdps(60):
        for value, low, high in zip(_POINTS, found.lo, found.hi, strict=True):
            want = functions.get(name, getattr(mpmath, name, None))(mpmath.mpf(value))
            ends = [mpmath.mpf(str(v)) for v in (low, high)]
            slack = abs(want) * mpmath.mpf(10) ** -17  # what str drops
            assert ends[0] - slack <= want <= ends[1] + slack
            if abs(want) > 1e-250 and abs(value) < 800:
                assert ends[1] - ends[0] <= abs(want) * 1e-10


@given(
    st.lists(st.integers(-30, 30), max_size=6),
    st.integers(-25, 5),
    st.integers(0, 40),
    st.booleans(),
)
def test_runs_cover_the_range_and_have_one_code_each(bounds, lo, size, given) -> None:
    """Proved with the bounds of the table at hand, or, of one that rises, without."""
    hi, cuts = lo + size, np.array(sorted(bounds), np.int64)

    def table(values: np.ndarray) -> np.ndarray:
        return np.searchsorted(cuts, values)

    runs = runs_of(table, cuts if given else cuts[:0], 2, lo, hi)
    ends = zip(runs.first.tolist(), runs.last.tolist(), runs.code.tolist(), strict=True)
    covered = [(v, code) for first, last, code in ends for v in range(first, last + 1)]
    assert covered == list(zip(range(lo, hi + 1), table(np.arange(lo, hi + 1)), strict=True))
    assert (runs.channel == 2).all()


def test_the_work_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts looked at: here one for each run, the second of which is cut once."""
    chain, quantizer, _ = _table("sigmoid(x)", Fraction(1), [Fraction(1, 2)], -8, 8)
    runs = CodeRuns(*(np.array(v) for v in ([0, 0], [-8, 0], [-1, 8], [0, 1])))
    looked: list[int] = []

    class Counted(CurveProof):
        def _codes(self, runs: CodeRuns) -> Any:
            looked.append(len(runs.channel))
            return super()._codes(runs)

    proof = Counted([Surd.of(1)], chain, quantizer)
    assert not proof.differences(runs)
    monkeypatch.setattr(curve_proof, "_MOST_PARTS", sum(looked))
    assert not proof.differences(runs)
    monkeypatch.setattr(curve_proof, "_MOST_PARTS", sum(looked) // 2 - 1)
    with pytest.raises(Unrelated, match="too close to thresholds"):
        proof.differences(runs)
