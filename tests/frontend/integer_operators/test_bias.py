"""Integer biases as sums of float32 numbers: exact, where one float32 would round."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.frontend.integer_operators.bias import exact_terms
from n2uqc.frontend.recognize.pattern import Refused

SCALES = st.floats(2.0**-20, 64, width=32)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=4), SCALES, SCALES)
def test_the_sum_is_exact(codes: list[int], first: float, second: float) -> None:
    scales = [np.array([first], np.float32), np.array(second, np.float32)]
    terms = exact_terms(np.array(codes, np.int32), scales)
    want = [code * Fraction(first) * Fraction(second) for code in codes]
    assert all(term.dtype == np.float32 for term in terms)
    assert [sum(Fraction(float(term[i])) for term in terms) for i in range(len(codes))] == want


def test_powers_of_two_need_one_term() -> None:
    scales = [np.float32([0.25]), np.float32([0.5, 2, 4])]
    (term,) = exact_terms(np.array([3, -5, 7]), scales, 0.5)
    np.testing.assert_array_equal(term, np.float32([3 / 16, -5 / 4, 7 / 2]))


@pytest.mark.parametrize("scales", [[[1, 2]], [[1, 2, 3], [1, 2]], [[np.inf]], [[3e38]]])
def test_refused(scales: list[list[float]]) -> None:
    with pytest.raises(Refused):
        exact_terms(np.array([9, 9, 9]), [np.float32(scale) for scale in scales])
