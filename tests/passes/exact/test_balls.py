"""Balls: functions at the ends of where they are defined, and choices that stay open."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from n2uqc.frontend.expression import parse
from n2uqc.passes.exact.balls import Ball, ball
from n2uqc.passes.exact.channel_number import Undecided
from n2uqc.passes.program.exact import Surd


def value(text: str, x: int | Fraction) -> float:
    found = Ball(ball(Surd.of(x)), 0).function(parse(text), ()).value
    return float(found.mid())


@pytest.mark.parametrize(("text", "x"), [("log(x)", 0), ("log(x)", -1), ("sqrt(x)", -1)])
def test_what_is_not_defined(text: str, x: int) -> None:
    with pytest.raises(Undecided, match="is not defined"):
        value(text, x)


@pytest.mark.parametrize(
    ("text", "x", "want"),
    [
        ("log(x)", 1, 0.0),
        ("log(x)", 3, math.log(3)),
        ("sqrt(x)", 0, 0.0),
        ("sqrt(x)", 2, math.sqrt(2)),
        ("max(x,2)", 3, 3.0),
        ("max(x,2)", 1, 2.0),
        ("min(x,2)", 3, 2.0),
        ("min(x,2)", 1, 1.0),
        ("above(x,2,5,7)", 3, 5.0),
        ("above(x,2,5,7)", 2, 7.0),
        ("abs(x)", -3, 3.0),
        ("sub(x,5)", 3, -2.0),
        ("div(x,4)", 3, 0.75),
        ("sigmoid(x)", 0, 0.5),
        ("sigmoid(x)", -2, 1 / (1 + math.exp(2))),
        ("sigmoid(x)", 2, 1 / (1 + math.exp(-2))),
        ("softplus(x)", -2, math.log1p(math.exp(-2))),
        ("softplus(x)", 2, math.log1p(math.exp(2))),
        ("expm1(x)", 1, math.expm1(1)),
        ("tanh(x)", 1, math.tanh(1)),
        ("erf(x)", 1, math.erf(1)),
        ("erfc(x)", 1, math.erfc(1)),
        ("sin(x)", 1, math.sin(1)),
        ("cos(x)", 1, math.cos(1)),
        ("atan(x)", 1, math.atan(1)),
    ],
)
def test_values(text: str, x: int, want: float) -> None:
    assert value(text, x) == pytest.approx(want, rel=1e-14, abs=1e-300)
