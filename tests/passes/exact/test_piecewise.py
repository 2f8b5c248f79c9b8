"""Steps of piecewise-linear functions against evaluation at every integer."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.exact import near_rows as rows
from n2uqc.passes.exact import piecewise
from n2uqc.passes.exact.integer_thresholds import exact_steps
from n2uqc.passes.exact.near import Near, Unsure
from n2uqc.passes.exact.near_tables import fold
from n2uqc.passes.program import Op
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Quantize, RealClip, RealPRelu

numbers = st.one_of(st.integers(-4, 4).map(Fraction), st.fractions(-3, 3, max_denominator=6)).map(
    Surd.of
)
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
    st.integers(-40, 10),
    st.integers(0, 50),
    st.lists(links, max_size=5),
    st.lists(exact, min_size=1, max_size=4),
    st.booleans(),
)
def test_steps_give_the_code_of_every_integer(lo, count, chain, thresholds, strict) -> None:
    hi = lo + count
    chain = [
        c
        for c in chain
        if not (c[0] == "clip" and c[1] is not None and c[2] is not None and c[2] < c[1])
    ]
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
        (near[0] * near[1] + near[2], a * b + c),
        (near[0] * near[1] - near[2], a * b - c),
    ):
        with contextlib.suppress(Unsure):
            assert got.sign() == want.sign()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(exact, exact), min_size=1, max_size=6))
def test_near_rows_decide_right_or_not_at_all(pairs) -> None:
    a, b = (rows.Near.of(row) for row in zip(*pairs, strict=True))
    for got, want in (
        (a + b, [p + q for p, q in pairs]),
        (a - b, [p - q for p, q in pairs]),
        (a * b, [p * q for p, q in pairs]),
    ):
        signs, sure = got.signs()
        for k, value in enumerate(want):
            assert not sure[k] or signs[k] == value.sign()
            gap = abs(value - Surd.of(float(got.value[k])))
            assert gap <= Surd.of(float(got.error[k]))


@settings(max_examples=120, deadline=None)
@given(
    st.data(),
    st.integers(1, 4),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from([Fraction(1, 3), Fraction(1, 4), Fraction(1, 2**20)]),
)
def test_tables_of_many_channels_equal_exact_ones(
    data, channels, length, per_channel, unit
) -> None:
    """The float filter gives the exact fold's table in every channel of which it is sure."""
    row = st.lists(exact, min_size=channels, max_size=channels).map(tuple)
    slopes = st.lists(numbers, min_size=channels, max_size=channels).map(tuple)
    chain: list[Op] = []
    for k in range(length):
        names = {"output": f"t{k + 1}", "inputs": (f"t{k}",)}
        kind = data.draw(st.sampled_from(["affine", "prelu", "clip"]))
        if kind == "affine":
            chain.append(Affine(slope=data.draw(row), offset=data.draw(row), **names))
        elif kind == "prelu":
            chain.append(RealPRelu(slope=data.draw(slopes), **names))
        else:
            bounds = sorted((data.draw(numbers), data.draw(numbers)))
            lo, hi = (b if data.draw(st.booleans()) else None for b in bounds)
            chain.append(RealClip(lo=lo, hi=hi, **names))
    count = data.draw(st.integers(1, 7))
    level = st.lists(exact, min_size=count, max_size=count).map(lambda v: tuple(sorted(v)))
    quantizer = Quantize(
        output="q",
        inputs=(f"t{length}",),
        input_scale=data.draw(numbers),
        strict=True,
        step=Surd.of(1),
        bits=3,
        thresholds=tuple(data.draw(level) for _ in range(channels if per_channel else 1)),
        ties=(tuple(data.draw(st.booleans()) for _ in range(count)),),
    )
    lo = np.array([data.draw(st.integers(-60, 10)) for _ in range(channels)])
    hi = lo + [data.draw(st.integers(0, 70)) for _ in range(channels)]
    found = fold(quantizer, chain, Surd.of(unit), (lo, hi))
    starts = np.cumsum(found.count) - found.count
    for c in np.flatnonzero(~found.unsure):
        base, deltas = exact_steps(quantizer, chain, unit, c, int(lo[c]), int(hi[c]))
        steps = slice(starts[c], starts[c] + found.count[c])
        got: dict[int, int] = {}
        for bound, sign in zip(found.bounds[steps], found.signs[steps], strict=True):
            got[int(bound)] = got.get(int(bound), 0) + int(sign)
        assert (int(found.base[c]), got) == (base, deltas)
        assert (np.diff(found.bounds[steps]) >= 0).all() and all(got.values())


def test_dyadic_ties_and_trained_parameters_need_no_exact_numbers() -> None:
    rng = np.random.default_rng(0)
    channels = 256
    unit = Fraction(1, 2**12)
    names = {"output": "a", "inputs": ("x",)}
    ones = (Surd.of(1),) * channels
    bias = tuple(Surd.of(int(v) * unit) for v in rng.integers(-5000, 5000, channels))
    table = tuple(Surd.of(int(v) * unit) for v in sorted(rng.integers(-9000, 9000, 7)))
    slope = tuple(Surd.of(float(v)) for v in rng.normal(0, 1, channels).astype(np.float32))
    root = tuple(
        a / Surd.root(Fraction(float(v)) + Fraction(1, 10**5))
        for a, v in zip(slope, rng.uniform(0.1, 2, channels), strict=True)
    )
    quantizer = Quantize(
        output="q",
        inputs=("a",),
        thresholds=(table,),
        input_scale=Surd.of(1),
        strict=True,
        step=Surd.of(1),
        bits=3,
    )
    ends = np.full(channels, -(2**24)), np.full(channels, 2**24)
    for row in (ones, root):
        chain = [Affine(slope=row, offset=bias, **names), RealPRelu(slope=slope, **names)]
        assert not fold(quantizer, chain, Surd.of(unit), ends).unsure.any()
