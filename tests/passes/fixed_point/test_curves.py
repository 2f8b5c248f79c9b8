"""Functions by straight pieces: what they miss is within the proven bound, by mpmath."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from n2uqc.passes import Options
from n2uqc.passes.fixed_point.elementwise import fixed_point
from n2uqc.passes.program import Interface, Program, run
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import RealFunction
from n2uqc.passes.program.types import RealType


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
    "mul(x,tanh(softplus(x)))": lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
}


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
    if reach == 8 and text not in ("exp(x)", "pow(x,2)"):
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
