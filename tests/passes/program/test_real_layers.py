"""Layers before lowering: what they refuse, and ranges that hold all they compute."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes.program import Constant, IllegalOp, IntType, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.operation import Op
from n2uqc.passes.program.ops.real import (
    Interval,
    RealAdd,
    RealAvgPool,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
)

MAP = RealType((4, 5, 2))
CODES = IntType((4, 5, 2), 2, False, 0, 3, Fraction(1))
NAMES = {"output": "y", "inputs": ("x",)}
TWO = {"output": "y", "inputs": ("x", "z")}
LEVELS = tuple(Surd.of(k) for k in (0, 2, 5, 6))
WEIGHT = {"w": Constant.real(np.ones((4, 2, 2, 2)))}
CONV = {**NAMES, "weight": "w"}

REFUSED: dict[str, tuple[Op, dict[str, object], str]] = {
    "levels of real numbers of another step": (
        RealLookup(levels=LEVELS, **NAMES),
        {"x": IntType((4, 5, 2), 2, False, 0, 3, Fraction(1, 2))},
        "not a tensor of codes",
    ),
    "a code too many": (RealLookup(levels=LEVELS[:3], **NAMES), {"x": CODES}, "without level"),
    "a code below zero": (
        RealLookup(levels=LEVELS, **NAMES),
        {"x": IntType((4, 5, 2), 3, True, -1, 3, Fraction(1))},
        "without level",
    ),
    "channels": (RealConv(groups=2, **CONV), {"x": MAP}, "2 groups does not fit 2 channels"),
    "steps": (RealConv(step=LEVELS[:3], **CONV), {"x": MAP}, "does not fit 2 channels"),
    "a window larger than the map": (
        RealConv(dilation=(4, 1), **CONV), {"x": MAP}, "does not fit a map of 4x5"
    ),
    "pads without end": (
        RealConv(pads=(0, 0, 10**9, 0), **CONV), {"x": MAP}, "many times its map"
    ),
    "a pool larger than the map": (
        RealMaxPool(kernel=(2, 6), **NAMES), {"x": MAP}, "does not fit a map of 4x5"
    ),
    "one summand": (RealAdd(**NAMES), {"x": MAP}, "two inputs"),
    "summands of two shapes": (
        RealAdd(**TWO), {"x": MAP, "z": RealType((4, 5, 1))}, "differ"
    ),
    "one part": (RealConcat(**NAMES), {"x": MAP}, "two inputs"),
    "parts of two maps": (
        RealConcat(**TWO), {"x": MAP, "z": RealType((4, 4, 2))}, "differ"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op, types, message = REFUSED[name]
    with pytest.raises(IllegalOp, match=message):
        op.infer(types, WEIGHT)


GROUPED = {"w": Constant.real(np.random.default_rng(3).normal(size=(4, 2, 3, 1)))}
HELD: dict[str, tuple[Op, dict[str, Constant]]] = {
    "convolution": (RealConv(pads=(1, 0, 2, 1), stride=(2, 1), groups=2, **CONV), GROUPED),
    "convolution with steps": (
        RealConv(step=tuple(Surd.of(Fraction(k, 3)) for k in (1, 2, -4, 5)), groups=2, **CONV),
        GROUPED,
    ),
    "greatest": (RealMaxPool(kernel=(2, 3), pads=(1, 1, 0, 1), **NAMES), {}),
    "mean": (RealAvgPool(kernel=(3, 2), pads=(1, 1, 0, 0), **NAMES), {}),
    "mean of what is inside": (
        RealAvgPool(kernel=(3, 2), pads=(1, 1, 0, 0), counted=(0,) * 4, **NAMES), {}
    ),
    "flat": (RealFlatten(**NAMES), {}),
    "flat, channels last": (RealFlatten(channels_last=True, **NAMES), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(("lo", "hi"), [((-2.0, 0.5), (-1.0, 3.0)), ((0.0, -1.0), (0.0, 1.0))])
def test_ranges_hold_what_is_computed(
    name: str, lo: tuple[float, float], hi: tuple[float, float]
) -> None:
    """Channel by channel, at the ends of the inputs and between them."""
    op, constants = HELD[name]
    kind = op.infer({"x": MAP}, constants)
    bound = op.ranges([Interval(np.array(lo), np.array(hi))], {"x": MAP}, constants)
    rng = np.random.default_rng(0)
    x = rng.uniform(lo, hi, (30, *MAP.shape))
    ends = rng.integers(0, 2, (60, *MAP.shape))
    x = np.concatenate([x, np.where(ends, np.array(hi), np.array(lo))])
    y = op.execute([x], constants)
    assert y.shape[1:] == kind.shape
    low, high = y.min(axis=(0, 1, 2)), y.max(axis=(0, 1, 2))
    slack = 1e-9 * (1 + np.abs(low) + np.abs(high))
    assert (bound.lo <= low + slack).all() and (high - slack <= bound.hi).all()
