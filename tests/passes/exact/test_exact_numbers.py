"""Expressions in exact numbers: the value where they express it, and what they leave open."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.frontend.expression import parse
from n2uqc.passes.exact.channel_number import Undecided
from n2uqc.passes.exact.exact_numbers import ExactNumber, NotAlgebraic
from n2uqc.passes.program.exact import Surd

THIRD = Fraction(1, 3)
TWO, ROOT = Surd.of(2), Surd.root(2)


def value(text: str, x: Surd | Fraction | int, *rows: tuple[Surd, ...]) -> Surd:
    found = ExactNumber(Surd.of(x), 1).function(parse(text), rows).value
    assert isinstance(found, Surd)
    return found


@pytest.mark.parametrize(
    ("text", "x", "want"),
    [
        ("add(x,1/3)", 2, Fraction(7, 3)),
        ("sub(x,1/3)", 2, Fraction(5, 3)),
        ("mul(x,x)", ROOT, 2),
        ("div(x,3)", 2, Fraction(2, 3)),
        ("div(1,x)", 1 + ROOT, ROOT - 1),
        ("max(x,1)", ROOT, ROOT),
        ("max(x,2)", ROOT, 2),
        ("min(x,1)", ROOT, 1),
        ("min(x,2)", ROOT, ROOT),
        ("abs(x)", -ROOT, ROOT),
        ("sqrt(x)", 2, ROOT),
        ("sqrt(x)", 9, 3),
        ("pow(x,3)", -2, -8),
        ("pow(x,-2)", -2, Fraction(1, 4)),
        ("pow(x,3/2)", 4, 8),
        ("pow(x,3/2)", 2, 2 * ROOT),
        ("pow(x,-1/2)", 4, Fraction(1, 2)),
        ("pow(x,2/3)", Fraction(27, 8), Fraction(9, 4)),
        ("log(x)", 1, 0),
        ("exp(x)", 0, 1),
        ("expm1(x)", 0, 0),
        ("sigmoid(x)", 0, Fraction(1, 2)),
        ("tanh(x)", 0, 0),
        ("erf(x)", 0, 0),
        ("erfc(x)", 0, 1),
        ("mul(0,exp(x))", 1, 0),
        ("mul(exp(x),0)", 1, 0),
        ("above(x,1,x,3)", ROOT, ROOT),
        ("above(x,2,x,3)", ROOT, 3),
        ("above(x,2,x,3)", 2, 3),
        ("mul(x,p0)", 2, 2 * ROOT),
        ("pow(x,64)", 2, 2**64),
        ("pow(x,1/65)", 0, 0),
        ("pow(x,1/65)", 1, 1),
        ("pow(x,-1/65)", 1, 1),
        ("pow(x,1/64)", 2**64, 2),
        ("pow(x,3/2)", 0, 0),
        ("pow(x,1/3)", 0, 0),
    ],
)
def test_values(text: str, x: Surd | int, want: Surd | int) -> None:
    assert value(text, x, (Surd.of(5), ROOT)) == want


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("log(x)", 2),
        ("exp(x)", 1),
        ("sigmoid(x)", 1),
        ("softplus(x)", 0),
        ("pi", 0),
        ("mul(x,pi)", 1),
        ("mul(pi,x)", 1),
        ("add(pi,x)", 1),
        ("add(x,pi)", 1),
        ("above(pi,x,1,2)", 1),
        ("above(x,pi,1,2)", 1),
        ("pow(x,1/3)", 2),
        ("pow(x,1/3)", Fraction(8, 9)),
        ("pow(x,1/3)", Fraction(9, 8)),
        ("pow(x,1/3)", ROOT),
        ("pow(x,1/65)", -1),
        ("pow(x,1/65)", 2),
        ("pow(x,1/2)", ROOT),
        ("pow(exp(x),2)", 1),
        ("pow(exp(x),-1)", 1),
        ("div(1,x)", 1 + ROOT + Surd.root(3)),
    ],
)
def test_what_exact_numbers_do_not_express(text: str, x: Surd | int) -> None:
    with pytest.raises(NotAlgebraic):
        value(text, x)


@pytest.mark.parametrize(
    ("text", "x", "told"),
    [
        ("log(x)", 0, "logarithm"),
        ("log(x)", -1, "logarithm"),
        ("sqrt(x)", -1, "root"),
        ("pow(x,1/3)", -8, "root"),
        ("div(1,x)", 0, "division by 0"),
        ("pow(x,-1)", 0, "division by 0"),
        ("pow(x,-1/65)", 0, "division by 0"),
    ],
)
def test_what_is_not_defined(text: str, x: int, told: str) -> None:
    with pytest.raises(Undecided, match=told):
        value(text, x)


@given(st.fractions(0, 10**9, max_denominator=10**6), st.integers(2, 7))
def test_roots_of_powers(root: Fraction, n: int) -> None:
    """Squares of any size have one; the next rational has none."""
    assert value(f"pow(x,1/{n})", root**n) == root
    if root > 1 and n > 2:
        with pytest.raises(NotAlgebraic):
            value(f"pow(x,1/{n})", root.numerator**n + 1)


def test_the_side_of_a_level_is_that_of_the_channel() -> None:
    levels = Surd.of(3), Surd.root(2)  # the number is of channel 1

    def side(x: Surd) -> Surd:
        number = ExactNumber(x, 1)
        return number.branch(levels, lambda v: v.times((TWO,)), lambda v: v.plus((TWO,))).value

    assert side(Surd.of(1)) == 2
    assert side(ROOT) == ROOT + 2
    assert side(Surd.of(2)) == 4
