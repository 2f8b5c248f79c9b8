"""Quantizers in other forms: what a threshold unit takes when its accumulator changes."""

from __future__ import annotations

import pytest

from n2uqc.backends.cost.uniform import example, thresholds, widened
from n2uqc.backends.fpga.resources import best_form, resources


@pytest.mark.parametrize("width", [1, 2, 3, 9])
@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_comparisons_of_the_own_accumulator_cost_what_is_built(width: int, family: str) -> None:
    """One bit too: binary layers have such accumulators."""
    engine = example(width, 1, 4)
    form = best_form(engine, family)
    assert thresholds(engine, form, family).cells == resources(engine, form, family).total


@pytest.mark.parametrize(
    ("width", "growth", "left"),
    [(9, 3, 12), (9, 0, 9), (9, -3, 6), (9, -8, 2), (3, -8, 2), (2, -1, 2), (1, -1, 1), (1, 2, 3)],
)
def test_widths(width: int, growth: int, left: int) -> None:
    """What is narrowed keeps two bits, if there were two."""
    assert widened(example(width, 1, 4), growth).inputs[0].bits == left
