"""Quantizers in other forms: what a threshold unit takes when its accumulator changes."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cost.uniform import BIAS_BITS, SCALES, example, thresholds, uniform, widened
from n2uqc.backends.fpga.engines import Fold
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


@pytest.mark.parametrize(("growth", "bits"), [(3, 12), (1, 10), (-2, 7), (-9, 2)])
def test_bounds_move_with_the_accumulator(growth: int, bits: int) -> None:
    """Twice the accumulator compares with twice the bound."""
    unit = example(9, 2, 4)
    wide = widened(unit, growth)
    old, new = (each.values(each.op.bounds) for each in (unit, wide))
    np.testing.assert_array_equal(new, np.floor(old * 2.0 ** (bits - 9)).astype(np.int64))
    assert (wide.inputs[0].lo, wide.inputs[0].hi) == (-(1 << bits - 1), (1 << bits - 1) - 1)


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize(("scale", "multiplier"), [*SCALES.items()])
def test_parameters_of_a_channel(scale, multiplier: int, bent: bool) -> None:
    """A bias, a multiplier unless it is a power of two; a PReLU has both once more."""
    word = BIAS_BITS + (multiplier if multiplier > 1 else 0) + (32 if bent else 0)
    unit = example(16, 2, 8)
    built = uniform(unit, scale, "xc7", bent=bent)
    assert (built.parameter_bits, built.read_bits) == (8 * word, word)
    side_by_side = uniform(unit.folded(Fold(8)), scale, "xc7", bent=bent)
    assert (side_by_side.parameter_bits, side_by_side.read_bits) == (8 * word, 0)


@pytest.mark.parametrize(("form", "compared"), [("parallel", 3), ("binary search", 2)])
def test_bounds_of_a_channel(form: str, compared: int) -> None:
    """All of them are stored; those that are compared are read, where channels take turns."""
    unit = example(16, 2, 8)
    built = thresholds(unit, form, "xc7")
    assert (built.parameter_bits, built.read_bits) == (8 * 3 * 16, compared * 16)
    assert thresholds(unit.folded(Fold(8)), form, "xc7").read_bits == 0
