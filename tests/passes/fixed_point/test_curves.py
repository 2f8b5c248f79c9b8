"""Functions by straight pieces: what they miss is within the proven bound, by mpmath."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes import Options
from n2uqc.passes.fixed_point.curves import Curve, OuterPart
from n2uqc.passes.fixed_point.elementwise import fixed_point
from n2uqc.passes.fixed_point.pieces import Pieces, _difference, _tent, chosen, missed
from n2uqc.passes.program import Interface, Program, run
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import RealFunction
from n2uqc.passes.program.types import IntType, RealType


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid(x)": sigmoid,
    "mul(x,sigmoid(x))": lambda x: x * sigmoid(x),
    "tanh(x)": mpmath.tanh,
    "exp(x)": mpmath.exp,
    "abs(x)": abs,
    "pow(x,2)": lambda x: x * x,
    "mul(mul(1/2,x),add(1,erf(div(x,sqrt(2)))))": lambda x: (
        x / 2 * (1 + mpmath.erf(x / mpmath.sqrt(2)))
    ),
    "mul(x,min(max(add(div(x,6),1/2),0),1))": lambda x: (
        x * min(max(x / 6 + mpmath.mpf(1) / 2, 0), 1)
    ),
    "sqrt(abs(x))": lambda x: mpmath.sqrt(abs(x)),
    "pow(max(x,0),1/3)": lambda x: mpmath.cbrt(max(x, 0)),
    "mul(x,tanh(softplus(x)))": lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
}


ROOTS = {"sqrt(abs(x))": Fraction(1, 2), "pow(max(x,0),1/3)": Fraction(1, 3)}
"""Functions whose slope has no bound at 0, and by which power of a change there they change."""


def program(text: str, *rows: list[Fraction]) -> Program:
    """One function of a real input of two channels."""
    shape = (1, 1, 2)
    parameters = tuple(tuple(map(Surd.of, row)) for row in rows)
    op = RealFunction(
        output="y", inputs=("x",), origin=("f",), expression=text, parameters=parameters
    )
    types = {"x": RealType(shape), "y": RealType(shape)}
    face = Interface.single("x", (2, 1, 1), "y", (2, 1, 1))
    return Program("function", face, ("x",), ("y",), types, (op,), {})


def differences(
    made: Program, function: Callable[[Any], Any], channel: int, count: int = 300
) -> list[float]:
    """What each of some real inputs gives, away from the function."""
    kind, result = made.int_type("x"), made.int_type("y")
    assert kind.scale is not None and result.scale is not None
    rng = np.random.default_rng(0)
    codes = np.unique(
        np.concatenate(
            [
                np.linspace(kind.lo, kind.hi, count).astype(np.int64),
                np.rint(rng.standard_normal(count) / float(kind.scale)).astype(np.int64),
                np.rint(np.array([-3, 0, 3]) / float(kind.scale)).astype(np.int64),  # kinks
                np.arange(-40, 41),  # where a root is steepest
                2 ** np.arange(6, 24),
            ]
        ).clip(kind.lo, kind.hi)
    )
    y = run(made, np.broadcast_to(codes[:, None, None, None], (len(codes), 1, 1, 2)).copy())
    found = []
    with mpmath.workdps(40):
        for code, value in zip(codes.tolist(), y[:, 0, 0, channel].tolist(), strict=True):
            for away in (-kind.error, Fraction(0), kind.error):
                real = code * kind.scale + away
                exact = function(mpmath.mpf(real.numerator) / real.denominator)
                found.append(
                    abs(
                        float(
                            exact
                            - value * mpmath.mpf(result.scale.numerator) / result.scale.denominator
                        )
                    )
                )
    return found


@pytest.mark.parametrize("reach", [8, 100])
@pytest.mark.parametrize("text", FUNCTIONS)
def test_within_the_proven_bound(text: str, reach: int) -> None:
    if text == "exp(x)" and reach == 100:
        return
    made = fixed_point(program(text), Options(input_range=(-float(reach), float(reach))))
    bound = float(made.int_type("y").error)
    worst = max(differences(made, FUNCTIONS[text], 0))
    assert bound / 10 <= worst <= bound
    if text in ROOTS:
        away = float(made.int_type("x").error) ** float(ROOTS[text])
        assert away <= bound < 2 * away
        assert [op.mnemonic for op in made.ops].count("interpolate") > 1  # finer near 0
    elif reach == 8 and text not in ("exp(x)", "pow(x,2)"):
        assert bound < 1e-4


def test_parameters_of_channels() -> None:
    rows = [Fraction(1, 3), Fraction(-5, 2)]
    made = fixed_point(program("sigmoid(mul(p0,x))", rows), Options(input_range=(-4.0, 4.0)))
    for channel, row in enumerate(rows):
        factor = row.numerator / mpmath.mpf(row.denominator)
        worst = max(differences(made, lambda x, f=factor: sigmoid(f * x), channel))
        assert worst <= float(made.int_type("y").error) < 2e-4


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", [Fraction(1)] * 2),
        ("div(2,3)", [Fraction(2, 3)] * 2),
        ("mul(p0,exp(1))", [Fraction(1, 3), Fraction(-5, 2)]),
    ],
)
def test_a_function_that_does_not_depend_on_its_argument(text: str, values: list[Fraction]) -> None:
    """A power of 0, for one, is the function 1."""
    rows = [values] if "p0" in text else []
    made = fixed_point(program(text, *rows), Options(input_range=(-4.0, 4.0)))
    for channel, value in enumerate(values):
        exact = mpmath.mpf(Fraction(value).numerator) / Fraction(value).denominator
        exact = exact * mpmath.e if rows else exact
        worst = max(differences(made, lambda x, v=exact: v, channel, 20))
        assert worst <= float(made.int_type("y").error) < 1e-4


@pytest.mark.parametrize("text", ["log(x)", "sqrt(x)", "div(1,x)"])
def test_a_function_that_is_not_defined_everywhere_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="have no bound"):
        fixed_point(program(text), Options(input_range=(-4.0, 4.0)))


@pytest.mark.parametrize(
    "text",
    [
        "min(max(mul(add(x,-1),10000000000),0),1)",
        "sqrt(max(x,1/1000000000))",
        "sqrt(max(x,0))",
        "mul(x,sigmoid(mul(1000000000,x)))",
    ],
)
def test_steep_functions_are_bounded_by_their_values(text: str) -> None:
    """A slope of 1e12 times the input's error says nothing of a value between 0 and 1."""
    made = fixed_point(program(text), Options(input_range=(-4.0, 4.0)))
    assert float(made.int_type("y").error) < 1.1


@settings(max_examples=30, deadline=None)
@given(st.integers(-900, 900), st.integers(1, 300), st.sampled_from([1, -1]), st.data())
def test_a_part_and_what_is_outside_it_sum_to_the_function(
    low: int, width: int, sign: int, data: st.DataObject
) -> None:
    curve = replace(_parabola(1000), unit=Fraction(sign, 64))
    part = low, low + width
    inside, outside = curve.between(*part), OuterPart(curve, part)
    at = np.array([[float(data.draw(st.integers(-1000, 1000)))] for _ in range(4)])
    (a, b, whole) = (function.on(at, at) for function in (inside, outside, curve))
    np.testing.assert_allclose(a.lo + b.lo, whole.lo, atol=1e-9)
    np.testing.assert_allclose(a.hi + b.hi, whole.hi, atol=1e-9)
    within = (at >= low) & (at <= low + width)
    assert (np.abs(b.lo[within]) < 1e-9).all()
    ends = np.sort(at[:2], axis=0)
    over = outside.on(ends[:1], ends[1:])
    for end in ends:
        value = outside.on(end[None], end[None])
        assert over.lo <= value.hi and value.lo <= over.hi


@pytest.mark.parametrize("text", ["mul(p0,x)", "pow(x,2)"])
@settings(max_examples=20, deadline=None)
@given(
    st.integers(-3000, 3000),
    st.integers(0, 4000),
    st.floats(-1e6, 1e6),
    st.floats(-1e3, 1e3),
    st.fractions(-5, 5, max_denominator=9),
)
def test_what_a_line_misses_lies_between_the_bounds(
    text: str, a: int, width: int, base: float, slope: float, factor: Fraction
) -> None:
    """Also where the line is far from the function; of a line, they are the values at the ends."""
    rows = ((Surd.of(factor),),) if "p0" in text else ()
    op = RealFunction(output="y", inputs=("x",), expression=text, parameters=rows)
    unit = Fraction(1, 64)
    curve = Curve(op, unit, -10000, 10000, 0.0)
    line = Pieces(a, 0, np.array([[base]]), np.array([[slope]]))
    b = a + width
    ends = (np.array([float(v)]) for v in (a, b))
    below, above = _difference(curve, *ends, line, np.zeros(1, np.int64))

    def missed(v: Fraction) -> Fraction:
        x = v * unit
        return (factor * x if rows else x * x) - (Fraction(base) + Fraction(slope) * (v - a))

    exact = [missed(a + Fraction(width * k, 8)) for k in range(9)]
    low, high = Fraction(float(below[0, 0])), Fraction(float(above[0, 0]))
    assert low <= min(exact) and max(exact) <= high
    size = abs(Fraction(base)) + abs(Fraction(slope)) * width + 300 * 300
    # Of a parabola: the slopes of both ends, at most as far from each other as twice the width.
    spread = 0 if rows else 2 * (width * unit) ** 2
    assert max(exact) - min(exact) + spread + size / 2**40 >= high - low


def _parabola(reach: int) -> Curve:
    op = RealFunction(output="y", inputs=("x",), expression="pow(x,2)")
    return Curve(op, Fraction(1, 64), -reach, reach, 0.0)


@pytest.mark.parametrize("wanted", [0.3, 0.2, 0.12, 0.08, 0.05, 0.03])
def test_pieces_miss_no_more_than_wanted(wanted: float) -> None:
    """And are as long as powers of 2 may be for that."""
    curve = _parabola(1 << 10)
    pieces = chosen(curve, wanted, 4096)
    below, above = missed(curve, pieces)
    assert float((above - below).max()) / 2 <= wanted
    width = 2.0**pieces.step / 64
    assert (4 * width) ** 2 / 8 > wanted


@pytest.mark.parametrize("most", [1, 2, 16, 20])
def test_there_are_no_more_pieces_than_asked_for(most: int) -> None:
    pieces = chosen(_parabola(1 << 10), 1e-9, most)
    assert most / 2 <= len(pieces.base) <= most


@pytest.mark.parametrize("slopes", [(-np.inf, 1.0), (-1.0, np.inf), (-np.inf, np.inf)])
def test_slopes_without_bound_bound_nothing(slopes: tuple[float, float]) -> None:
    low, high = (np.array([[v]]) for v in slopes)
    one = np.ones((1, 1))
    assert _tent(one, one, low, high, one)[0, 0] == np.inf
    assert _tent(one, 3 * one, -one, 5 * one, 2 * one)[0, 0] == pytest.approx(
        max(min(1 + 5 * t, 3 + 1 * (2 - t)) for t in np.linspace(0, 2, 6001)), abs=1e-2
    )


@pytest.mark.parametrize("step", [Fraction(1), Fraction(-4), Fraction(9, 2)])
@pytest.mark.parametrize("text", FUNCTIONS)
def test_of_coarse_codes_every_integer_has_its_own_value(text: str, step: Fraction) -> None:
    """Nothing is asked for between codes, so pieces of one code miss nothing but rounding."""
    real = program(text)
    kind = IntType.ranged((1, 1, 2), -3, 5, step)
    made = fixed_point(replace(real, types={**real.types, "x": kind}), Options())
    result = made.int_type("y")
    codes = np.arange(-3, 6)
    y = run(made, np.broadcast_to(codes[:, None, None, None], (9, 1, 1, 2)).copy())[:, 0, 0, 0]
    want = [FUNCTIONS[text](mpmath.mpf(int(c)) * step.numerator / step.denominator) for c in codes]
    most = max(1.0, *(abs(float(v)) for v in want))
    assert float(result.error) <= 1e-6 * most
    for value, exact in zip(y.tolist(), want, strict=True):
        assert abs(value * float(result.scale) - float(exact)) <= float(result.error) + 1e-14 * most


@pytest.mark.parametrize("unit", [Fraction(1, 3), Fraction(-7, 5), Fraction(3, 2**20), Fraction(1)])
def test_a_curve_is_bounded_over_the_exact_numbers(unit: Fraction) -> None:
    """Not over those that float64 makes of integers times a unit, which may lie inside."""
    op = RealFunction(output="y", inputs=("x",), expression="x", parameters=())
    curve = Curve(op, unit, -1000, 1000, 0.0)
    a = np.arange(-1000, 1000).reshape(-1, 1)
    found = curve.on(a, a + 1)
    for k, lo, hi in zip(a.ravel().tolist(), found.lo.ravel(), found.hi.ravel(), strict=True):
        ends = sorted((k * unit, (k + 1) * unit))
        outer = Fraction(float(lo)), Fraction(float(hi))
        for inside, outside, side in zip(ends, outer, (-1, 1), strict=True):
            reserve = abs(inside) / 2**51
            assert reserve <= side * (outside - inside) <= 8 * reserve + Fraction(1, 2**1000)
    assert found.slope is not None
    assert (found.slope[0] <= 1).all() and (found.slope[1] >= 1).all()
