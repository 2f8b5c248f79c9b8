"""Steps of piecewise-linear functions against evaluation at every integer."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from math import ceil, floor

from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes import piecewise
from n2uqc.passes.near import Near, Unsure
from n2uqc.passes.program.exact import Surd

numbers = st.one_of(
    st.integers(-4, 4).map(Fraction), st.fractions(-3, 3, max_denominator=6)
).map(Surd.of)
irrational = st.builds(
    lambda a, q: a * Surd.root(q), numbers, st.fractions(Fraction(1, 4), 4, max_denominator=5)
)
exact = st.one_of(numbers, irrational)
links = st.one_of(
    st.tuples(st.just("affine"), exact, exact),
    st.tuples(st.just("prelu"), numbers, st.none()),
    st.tuples(st.just("clip"), st.one_of(st.none(), numbers), st.one_of(st.none(), numbers)),
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-40, 10), st.integers(0, 50), st.lists(links, max_size=5),
    st.lists(exact, min_size=1, max_size=4), st.booleans(),
)
def test_steps_give_the_code_of_every_integer(lo, count, chain, thresholds, strict) -> None:
    hi = lo + count
    chain = [c for c in chain if not (c[0] == "clip" and c[1] is not None and c[2] is not None
                                      and c[2] < c[1])]
    f = piecewise.identity(lo, hi, Surd.of(Fraction(1, 3)))
    multiple = False
    for kind, a, b in chain:
        if kind == "affine":
            multiple = multiple or len(a.terms) > 1
            f = piecewise.affine(f, a, b)
        elif kind == "prelu":
            f = piecewise.prelu(f, a)
        else:
            f = piecewise.clip(f, a, b)
    assert f[0].lo == lo and f[-1].hi == hi
    assert all(a.hi + 1 == b.lo for a, b in zip(f, f[1:], strict=False))
    base, deltas = piecewise.steps(f, thresholds, strict=strict)
    assert all(lo <= bound < hi and delta for bound, delta in deltas.items())
    for value in range(lo, hi + 1):
        y = Surd.of(Fraction(value, 3))
        for kind, a, b in chain:
            if kind == "affine":
                y = y * a + b
            elif kind == "prelu":
                y = y if y >= 0 else y * a
            else:
                y = a if a is not None and y < a else y
                y = b if b is not None and y > b else y
        want = sum(y > t or (y == t and not strict) for t in thresholds)
        got = base + sum(d for bound, d in deltas.items() if value > bound)
        assert got == want


@settings(max_examples=300, deadline=None)
@given(exact, exact, exact)
def test_near_numbers_decide_right_or_not_at_all(a, b, c) -> None:
    near = [Near.of(v) for v in (a, b, c)]
    for got, want in (
        (lambda: near[0] * near[1] + near[2], lambda: a * b + c),
        (lambda: near[0] * near[1] - near[2], lambda: a * b - c),
        (lambda: near[0] / near[1] if len(b.terms) == 1 else near[0], lambda: (
            a / b if len(b.terms) == 1 else a)),
    ):
        value = want()
        for decide in (lambda v: v.sign(), floor, ceil):
            with contextlib.suppress(Unsure):
                assert decide(got()) == decide(value)
