"""Layers of real weights in integers: bits that weights and inputs may have together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes.fixed_point.convolution import ACCUMULATOR_BITS, UnquantizedLayer
from n2uqc.passes.program import ConstRef
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import RealConv


def layer(weight: np.ndarray) -> UnquantizedLayer:
    op = RealConv(output="y", inputs=("x",), weight=ConstRef("w"))
    offset = (Surd.of(0),) * len(weight)
    return UnquantizedLayer(op, None, "y", Fraction(1), weight, offset)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e20])
@pytest.mark.parametrize("taps", [1, 2, 3, 9, 100])
def test_sums_fill_the_accumulator(taps: int, size: float) -> None:
    """Weights of b signed bits and inputs of the rest fit it, and no bit is left."""
    weight = np.random.default_rng(taps).uniform(-size, size, (4, 1, 1, taps))
    weight[0] = 0
    weight[1, 0, 0, 0] = size / 4
    made = layer(weight)
    np.testing.assert_allclose(made.sums(), np.abs(weight).sum(axis=(1, 2, 3)))
    room, bits = made.operand_room(), 8
    largest = np.abs(weight).max(axis=(1, 2, 3))
    sums = [
        Fraction(float(s)) / Fraction(float(m)) * 2 ** (bits - 1) * 2 ** (room - bits - 1)
        for s, m in zip(made.sums(), largest, strict=True)
        if m
    ]
    most = 2 ** (ACCUMULATOR_BITS - 1)
    assert max(sums) <= most < 2 * max(sums) * (1 + Fraction(1, 2**10))


def test_weights_that_are_all_zero() -> None:
    assert layer(np.zeros((2, 1, 1, 3))).operand_room() == ACCUMULATOR_BITS
