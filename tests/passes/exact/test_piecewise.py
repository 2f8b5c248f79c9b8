"""Tables of piecewise-linear functions against evaluation at every integer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.exact.filtered_functions import fold
from n2uqc.passes.exact.integer_thresholds import exact_steps
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Quantize, RealPRelu

from ..chains import by_hand, chains, code_by_hand, quantizers


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(-40, 10), st.integers(0, 50), st.integers(0, 5))
def test_steps_give_the_code_of_every_integer(data, lo, count, length) -> None:
    hi, unit = lo + count, Fraction(1, 3)
    chain, quantizer = data.draw(chains(2, length)), data.draw(quantizers(2, f"t{length}"))
    for c in range(2):
        base, deltas = exact_steps(quantizer, chain, unit, c, lo, hi)
        assert all(lo <= bound < hi and delta for bound, delta in deltas.items())
        for value in range(lo, hi + 1):
            want = code_by_hand(quantizer, by_hand(chain, Surd.of(value * unit), c), c)
            assert base + sum(d for bound, d in deltas.items() if value > bound) == want


@settings(max_examples=100, deadline=None)
@given(
    st.data(),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([Fraction(1, 3), Fraction(1, 4), Fraction(1, 2**20)]),
)
def test_tables_of_many_channels_equal_exact_ones(data, channels, length, unit) -> None:
    """The float filter gives the exact fold's table in every channel of which it is sure."""
    chain = data.draw(chains(channels, length))
    quantizer = data.draw(quantizers(channels, f"t{length}"))
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
