"""Operators of a few values, counted by hand."""

from __future__ import annotations

import pytest

from n2uqc.backends.cost.counts import QuantizerCounts
from n2uqc.backends.cost.quantizers import ALTERNATIVES, Operators, products, quantizer_operators

BY_NAME = {alternative.id: alternative for alternative in ALTERNATIVES}


def table(bent: bool = False) -> QuantizerCounts:
    """A rising 2-bit table of five channels."""
    return QuantizerCounts("q", (), 4, 5, 12, 2, (3,) * 5, 3, "rising", bent, attached=True)


@pytest.mark.parametrize(
    ("name", "multiplies"),
    [
        ("uniform-multiply", {(16, 12): 20}),
        ("uniform-narrow", {(12, 8): 20}),
        ("uniform-shift", {}),
    ],
)
@pytest.mark.parametrize("bent", [False, True])
def test_uniform_quantizers(name: str, multiplies: dict, bent: bool) -> None:
    """A multiplication unless the scale is a power of two; bias and rounding; shift; clamp."""
    found = quantizer_operators(BY_NAME[name], table(bent), 12, 20, name)
    assert found == Operators(multiplies, 40, 60 if bent else 40, shifts=20)


def test_thresholds() -> None:
    """Side by side all are compared and counted; a search compares twice."""
    parallel = quantizer_operators(BY_NAME["n2uq"], table(), 12, 20, "parallel")
    assert parallel == Operators(adds=40, compares=60)
    search = quantizer_operators(BY_NAME["n2uq"], table(), 12, 20, "binary search")
    assert search == Operators(compares=40)


def test_sums_of_operators() -> None:
    a = Operators(products(3, 2, 9), 1, 2, 3, 4)
    b = Operators({**products(4, 9, 2), **products(1, 4, 4)}, 10, 20, 30, 40)
    assert a + b == Operators({(9, 2): 7, (4, 4): 1}, 11, 22, 33, 44)
    assert (a + b).multiplications == 8
    assert products(0, 3, 3) == {}
