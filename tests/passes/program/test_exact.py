"""Exact numbers against high-precision decimals, and their algebra."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor, inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from n2uqc.passes.program.exact import Surd


@pytest.fixture(autouse=True, scope="module")
def digits() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 80
        yield


rationals = st.fractions(min_value=-50, max_value=50, max_denominator=60)
radicands = st.fractions(min_value=0, max_value=40, max_denominator=12)


@st.composite
def surds(draw: st.DrawFn) -> Surd:
    value = Surd.of(draw(rationals))
    for _ in range(draw(st.integers(0, 3))):
        value += Surd.root(draw(radicands)) * draw(rationals)
    return value


def decimal(value: Surd) -> Decimal:
    total = Decimal(0)
    for q, c in value.terms.items():
        root = (Decimal(q.numerator) / q.denominator).sqrt()
        total += Decimal(c.numerator) / c.denominator * root
    return total


@given(surds(), surds())
def test_arithmetic_agrees_with_decimals(a: Surd, b: Surd) -> None:
    for exact, close in (
        (a + b, decimal(a) + decimal(b)),
        (a * b, decimal(a) * decimal(b)),
        (a - b, decimal(a) - decimal(b)),
    ):
        assert abs(decimal(exact) - close) < Decimal("1e-60")


@given(surds())
def test_sign_floor_ceil_round(a: Surd) -> None:
    d = decimal(a)
    if abs(d) > Decimal("1e-50"):
        assert a.sign() == (1 if d > 0 else -1)
    else:
        assert a.sign() == 0
    nearest = d.to_integral_value()
    assume(a.rational is not None or abs(d - nearest) > Decimal("1e-50"))
    if a.rational is None:
        assert floor(a) == int(d.to_integral_value(rounding="ROUND_FLOOR"))
    assert floor(a) <= ceil(a) <= floor(a) + 1
    assert (floor(a) == ceil(a)) == (a == floor(a))
    assert abs(a - round(a)) <= Fraction(1, 2)


def test_halves_round_away_from_zero() -> None:
    assert [round(Surd.of(Fraction(n, 2))) for n in (-5, -3, -1, 1, 3, 5)] == [-3, -2, -1, 1, 2, 3]


def test_equal_numbers_of_different_form_cancel() -> None:
    assert Surd.root(8) == Surd.root(2) * 2
    assert Surd.root(8) - Surd.root(2) * 2 == 0
    assert hash(Surd.root(8)) == hash(Surd.root(2) * 2)
    assert (Surd.root(Fraction(1, 2)) * Surd.root(2)).rational == 1


def test_floor_at_a_hair_from_an_integer() -> None:
    big = 10**30
    assert floor(Surd.root(big * big + 1)) == big
    assert floor(Surd.root(big * big - 1)) == big - 1


@given(surds())
def test_text_round_trip(a: Surd) -> None:
    assert Surd.parse(str(a)) == a


@given(surds())
def test_upper_is_an_upper_bound(a: Surd) -> None:
    assert a <= a.upper()
    assert Surd.of(a.upper()) - a <= abs(a) * Fraction(1, 2**30) + Fraction(1, 2**60)
    digits, unit = a.upper().numerator, a.upper().denominator
    assert not unit & (unit - 1) and (digits // (digits & -digits or 1)).bit_length() <= 42


@given(st.fractions(min_value=Fraction(1, 9), max_value=9, max_denominator=9), rationals)
def test_inverse(q: Fraction, c: Fraction) -> None:
    assume(c != 0)
    value = Surd.root(q) * c
    assert value * value.inverse() == 1


def test_what_has_no_inverse_or_root() -> None:
    with pytest.raises(ZeroDivisionError):
        Surd.of(0).inverse()
    with pytest.raises(ValueError, match="sum of square roots"):
        (Surd.of(1) + Surd.root(2) + Surd.root(3)).inverse()
    with pytest.raises(ValueError, match="negative"):
        Surd.root(-1)


@given(surds(), st.integers(0, 90))
def test_scaled_is_off_by_one_per_term(a: Surd, bits: int) -> None:
    off = Decimal(a.scaled(bits)) - decimal(a) * 2**bits
    assert abs(off) <= 1 + len(a.roots)


@given(surds())
def test_the_nearest_float(a: Surd) -> None:
    d = decimal(a)
    assert abs(Decimal(float(a)) - d) <= abs(d) * Decimal(2) ** -52


@pytest.mark.parametrize("sign", [-1, 1])
def test_numbers_that_float_does_not_reach(sign: int) -> None:
    big = Fraction(10) ** 400
    for value in (Surd.of(big), Surd.root(2) * big):
        assert float(value * sign) == sign * inf
    assert float(Surd.of(sign / big)) == 0
    assert (Surd.of(sign / big)).sign() == sign


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (Surd.of(0), True),
        (Surd.of(-1), True),
        (Surd.of(2), True),
        (Surd.of(0.1), True),
        (Surd.of(2**53 - 1), True),
        (Surd.of(1 - 2**53), True),
        (Surd.of(2**53 + 1), False),
        (Surd.of(Fraction(2**53 - 1, 2**60)), True),
        (Surd.of(Fraction(2**53 + 1, 2**60)), False),
        (Surd.of(Fraction(1, 3)), False),
        (Surd.of(Fraction(5, 6)), False),
        (Surd.of(Fraction(1, 10)), False),
        (Surd.of(Fraction(1, 2**1100)), False),
        (Surd.root(2), False),
    ],
)
def test_what_float64_holds(value: Surd, fits: bool) -> None:
    assert value.fits_float64 == fits
    if fits:
        assert value == Fraction(float(value))


@given(st.fractions(min_value=Fraction(1, 9), max_value=9, max_denominator=9), rationals, rationals)
def test_inverse_of_a_sum(q: Fraction, c: Fraction, r: Fraction) -> None:
    value = Surd.root(q) * c + r
    assume(value != 0)
    assert value * value.inverse() == 1
    assert (Surd.of(5) / value) * value == 5


@given(surds(), surds())
def test_order_is_that_of_the_decimals(a: Surd, b: Surd) -> None:
    gap = decimal(a) - decimal(b)
    if abs(gap) > Decimal("1e-50"):
        assert (a < b, a > b, a == b) == (gap < 0, gap > 0, False)
    else:
        assert a == b and hash(a) == hash(b) and not a < b
    assert abs(decimal(abs(a)) - abs(decimal(a))) < Decimal("1e-60")
