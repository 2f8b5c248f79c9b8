"""Filtered numbers decide right or not at all, and their error covers what float64 lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.exact.filtered import Filtered
from n2uqc.passes.exact.filtered_functions import Piece
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


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EXACT, EXACT), min_size=1, max_size=6))
def test_filtered_quotients_hold_the_exact_ones(pairs) -> None:
    """A quotient times its divisor is off by the divisor times the error at most."""
    a, b = (Filtered.of(row) for row in zip(*pairs, strict=True))
    with np.errstate(all="ignore"):
        got = a / b
    for k, (p, q) in enumerate(pairs):
        if not np.isfinite(got.error[k]):
            continue
        assert q.sign()
        off = abs(q * Surd.of(float(got.value[k])) - p)
        assert off <= abs(q) * Surd.of(float(got.error[k]))


_EIGHTHS = st.integers(-24, 24).map(lambda k: Surd.of(Fraction(k, 8)))


@settings(max_examples=300, deadline=None)
@given(_EIGHTHS | st.just(Surd.of(0)), _EIGHTHS, _EIGHTHS, st.integers(-9, 3), st.integers(0, 9),
       st.booleans())  # fmt: skip
def test_where_a_piece_is_above_a_level(slope, offset, level, lo, count, strict) -> None:
    """The integers at which it is, or a doubt; none where the piece is flat."""
    piece = Piece(
        np.array([lo]), np.array([lo + count]), Filtered.of((slope,)), Filtered.of((offset,))
    )
    with np.errstate(all="ignore"):
        first, last, doubt = piece.where(Filtered.of((level,)), strict)
    if doubt[0]:
        assert slope.sign()
        return
    values = {v: slope * v + offset for v in range(lo, lo + count + 1)}
    above = [v for v, y in values.items() if (y > level if strict else y >= level)]
    assert list(range(int(first[0]), int(last[0]) + 1)) == above
