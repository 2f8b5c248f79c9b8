"""Bounds of functions over intervals: they hold every value, and end where values end."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest

from n2uqc.frontend.expression import parse
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program.ops.real.enclosure import Enclosure, EnclosureArithmetic
from n2uqc.passes.program.ops.real.ends import ends_inverse
from tests.frontend.networks import build


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("abs(x)", 0.0, 3.0), ("pow(x,2)", 0.0, 9.0), ("sqrt(abs(x))", 0.0, 3**0.5)],
)
def test_ends_around_zero(text: str, least: float, most: float) -> None:
    x = Enclosure(np.array([-3.0]), np.array([2.0]))
    found = parse(text).evaluate(EnclosureArithmetic(slopes=False), x, [])
    np.testing.assert_allclose([found.lo[0], found.hi[0]], [least, most], atol=1e-12)


@pytest.mark.parametrize("function", ["y = Sqrt (b)", "y = Log (b)", "y = Reciprocal (b)"])
def test_functions_that_a_distance_keeps_defined(function: str) -> None:
    """`sqrt(|x - m| + c)`, with another m for each channel, has a range for any x."""
    body = f"d = Sub (x, m) a = Abs (d) b = Add (a, c) {function}"
    parameters = {"m": np.array([0.3, 0.5], np.float32).reshape(2, 1, 1), "c": np.float32(0.05)}
    compile_graph(load_graph(build(body, parameters)))


POINTS = [-3.0, -1.5, -1.0, -0.25, 0.0, 0.125, 1.0, 2.0, 5.5]


def rational(text: str) -> Callable[[Fraction], Fraction]:
    """An expression of rational operations, in Python's own arithmetic."""
    names = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b, "max": max, "min": min, "abs": abs, "pow": lambda a, n: a**n,
        "above": lambda a, b, u, v: u if a > b else v,
    }  # fmt: skip
    return lambda x: eval(text, {**names, "x": x})


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("add(x,3)", lambda x: 1),
        ("sub(3,x)", lambda x: -1),
        ("mul(x,x)", lambda x: 2 * x),
        ("mul(x,add(x,1))", lambda x: 2 * x + 1),
        ("pow(x,3)", lambda x: 3 * x * x),
        ("pow(x,4)", lambda x: 4 * x**3),
        ("div(x,add(pow(x,2),2))", lambda x: (2 - x * x) / (x * x + 2) ** 2),
        ("div(1,add(pow(x,2),2))", lambda x: -2 * x / (x * x + 2) ** 2),
        ("pow(add(pow(x,2),1),-2)", lambda x: -4 * x / (x * x + 1) ** 3),
        ("max(x,mul(3,x))", lambda x: 3 if x > 0 else 1),
        ("min(x,mul(3,x))", lambda x: 1 if x > 0 else 3),
        ("abs(sub(x,1))", lambda x: 1 if x > 1 else -1),
        ("above(x,1,mul(x,x),sub(1,x))", lambda x: 2 * x if x > 1 else -1),
        ("above(1,x,5,x)", lambda x: 0 if x < 1 else 1),
    ],
)
def test_values_and_slopes_lie_inside(text: str, slope: Callable[[Fraction], Fraction]) -> None:
    """Checked on every interval between some points; close where the interval is short."""
    function, exact = parse(text), rational(text)
    for lo, hi in combinations_with_replacement(POINTS, 2):
        x = Enclosure.of(np.array([lo]), np.array([hi]))
        found = function.evaluate(EnclosureArithmetic(), x, [])
        assert found.slope is not None
        least, most = (Fraction(float(v[0])) if np.isfinite(v[0]) else v[0] for v in found.slope)
        low, high = (Fraction(float(np.ravel(v)[0])) for v in (found.lo, found.hi))
        for k in range(9):
            at = Fraction(lo) + (Fraction(hi) - Fraction(lo)) * Fraction(k, 8)
            assert low <= exact(at) <= high
            if at not in (0, 1):  # kinks
                assert least <= slope(at) <= most
        if lo == hi:
            assert high - low <= abs(exact(Fraction(lo))) * Fraction(1, 2**48)
            if lo not in (0.0, 1.0):
                assert most - least <= abs(slope(Fraction(lo))) * Fraction(1, 2**44)


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "max", "min", "above"])
def test_what_has_an_operand_without_slope_has_none(name: str, known: int) -> None:
    ends = np.array([1.0]), np.array([2.0])
    both = [Enclosure.of(*ends), Enclosure(*ends)]
    operands = [both[known], both[1 - known]]
    operands = [both[0], both[0], *operands] if name == "above" else operands
    assert EnclosureArithmetic().call(name, *operands).slope is None


@pytest.mark.parametrize(
    ("ends", "want"),
    [
        ((2.0, 4.0), (0.25, 0.5)),
        ((-4.0, -2.0), (-0.5, -0.25)),
        ((0.5, 0.5), (2.0, 2.0)),
        ((-1.0, 2.0), (-np.inf, np.inf)),
        ((0.0, 2.0), (-np.inf, np.inf)),
        ((-2.0, 0.0), (-np.inf, np.inf)),
        ((0.0, 0.0), (np.nan, np.nan)),
    ],
)
def test_inverses(ends: tuple[float, float], want: tuple[float, float]) -> None:
    with np.errstate(all="ignore"):
        lo, hi = ends_inverse((np.array([ends[0]]), np.array([ends[1]])))
    np.testing.assert_allclose([lo[0], hi[0]], want, rtol=1e-12)
    if np.isfinite(want[0]):
        assert lo[0] <= want[0] and want[1] <= hi[0]
