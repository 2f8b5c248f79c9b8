"""Filtered numbers decide right or not at all, and their error covers what float64 lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.exact.filtered import Filtered
from n2uqc.passes.program.exact import Surd

from ..chains import EXACT


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EXACT, EXACT, EXACT), min_size=1, max_size=6))
def test_filtered_numbers_hold_the_exact_ones(triples) -> None:
    a, b, c = (Filtered.of(row) for row in zip(*triples, strict=True))
    for got, want in (
        (a + b, [p + q for p, q, _ in triples]),
        (a - b, [p - q for p, q, _ in triples]),
        (a * b, [p * q for p, q, _ in triples]),
        (a * b + c, [p * q + r for p, q, r in triples]),
        (a * b - c, [p * q - r for p, q, r in triples]),
    ):
        signs, sure = got.signs()
        for k, value in enumerate(want):
            assert not sure[k] or signs[k] == value.sign()
            gap = abs(value - Surd.of(float(got.value[k])))
            assert gap <= Surd.of(float(got.error[k]))
