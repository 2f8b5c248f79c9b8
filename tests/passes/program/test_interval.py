"""Ranges of channels: they hold what values become, and are near it."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest

from n2uqc.frontend.expression import parse
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Interval

ENDS = np.array(list(combinations_with_replacement([-4.0, -1.0, 0.0, 0.5, 3.0], 2)))
X = Interval(ENDS[:, 0], ENDS[:, 1])
INSIDE = X.lo + np.linspace(0.0, 1.0, 4001)[:, None] * (X.hi - X.lo)


def row(value: Fraction | int) -> tuple[Surd, ...]:
    return (Surd.of(Fraction(value)),)


def check(found: Interval, values: np.ndarray, reserve: float = 0.0) -> None:
    lo, hi = values.min(axis=0), values.max(axis=0)
    slack = reserve * (X.hi - X.lo) + 1e-9
    assert (lo - slack <= found.lo).all() and (found.lo <= lo + 1e-12).all()
    assert (hi - 1e-12 <= found.hi).all() and (found.hi <= hi + slack).all()


@pytest.mark.parametrize("factor", [3, -2, 0, Fraction(-1, 4)])
def test_affine_maps(factor: Fraction | int) -> None:
    check(X.times(row(factor)), INSIDE * float(factor))
    check(X.plus(row(factor)), INSIDE + float(factor))
    check(X.constant(row(factor)), 0 * INSIDE + float(factor))
    np.testing.assert_array_equal(X.most, np.abs(INSIDE).max(axis=0))


@pytest.mark.parametrize("level", [-2, 0, 1])
@pytest.mark.parametrize(("below", "above"), [(1, 3), (-1, 2), (3, -1), (0, 1)])
def test_bends(level: int, below: int, above: int) -> None:
    """The side of the level alone where all values are on it; at the level, that above."""

    def bend(at: np.ndarray) -> np.ndarray:
        return np.where(at < level, below * at, above * at + (below - above) * level)

    found = X.branch(
        row(level),
        lambda v: v.times(row(below)),
        lambda v: v.times(row(above)).plus(row((below - above) * level)),
    )
    check(found, bend(INSIDE), 2e-3)  # the bend lies between two samples


@pytest.mark.parametrize(
    ("text", "f"),
    [
        ("pow(x,2)", lambda x: x * x),
        ("mul(x,sigmoid(x))", lambda x: x / (1 + np.exp(-x))),
        ("abs(sub(x,1/3))", lambda x: abs(x - 1 / 3)),
        ("mul(p0,exp(x))", lambda x: -2 * np.exp(x)),
        ("5/2", lambda x: 0 * x + 2.5),
    ],
)
def test_functions_are_bounded_part_by_part(text: str, f) -> None:
    """A part is a 64th of the range: what depends on itself is bounded that closely."""
    found = X.function(parse(text), (row(-2),) if "p0" in text else ())
    check(found, f(INSIDE), 0.2)


def test_functions_of_unbounded_ranges() -> None:
    lo, hi = np.array([-np.inf, 1.0, -np.inf]), np.array([np.inf, np.inf, -1.0])
    found = Interval(lo, hi).function(parse("sigmoid(x)"), ())
    want_lo, want_hi = [0.0, 1 / (1 + np.exp(-1)), 0.0], [1.0, 1.0, 1 / (1 + np.exp(1))]
    np.testing.assert_allclose(found.lo, want_lo, atol=1e-9)
    np.testing.assert_allclose(found.hi, want_hi, atol=1e-9)
    outside = Interval(np.array([-2.0]), np.array([1.0])).function(parse("log(x)"), ())
    assert (outside.lo[0], outside.hi[0]) == (-np.inf, np.inf)


def test_unions() -> None:
    other = Interval(np.full(len(ENDS), -1.0), np.full(len(ENDS), 1.0))
    both = X.union(other)
    np.testing.assert_array_equal(both.lo, np.minimum(X.lo, -1))
    np.testing.assert_array_equal(both.hi, np.maximum(X.hi, 1))
