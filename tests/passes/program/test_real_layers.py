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


SIDES = [tuple(int(k == side) for k in range(4)) for side in range(4)]


@pytest.mark.parametrize("pads", [*SIDES, (0, 0, 0, 0)])
def test_zeros_outside_the_map_are_in_the_range(pads: tuple[int, int, int, int]) -> None:
    """Zeros count where any side has them; a mean has them where they count."""
    x = [Interval(np.array([1.0, -3.0]), np.array([2.0, -2.0]))]
    ones = {"w": Constant.real(np.array([[[[1.0]]], [[[-2.0]]]]))}
    zeros = any(pads)
    bound = RealConv(pads=pads, groups=2, **CONV).ranges(x, {"x": MAP}, ones)
    assert bound.lo.tolist() == [0.0 if zeros else 1.0, 0.0 if zeros else 4.0]
    assert bound.hi.tolist() == [2.0, 6.0]
    for counted, inside in ((None, zeros), ((0, 0, 0, 0), False), (pads, zeros)):
        op = RealAvgPool(kernel=(2, 2), pads=pads, counted=counted, **NAMES)
        bound = op.ranges(x, {"x": MAP}, {})
        assert bound.lo.tolist() == [0.0 if inside else 1.0, -3.0]
        assert bound.hi.tolist() == [2.0, 0.0 if inside else -2.0]


def test_two_inputs() -> None:
    """Sums and joined channels, at both ends."""
    a = Interval(np.array([1.0, -3.0]), np.array([2.0, 5.0]))
    b = Interval(np.array([-0.5, 4.0]), np.array([0.25, 8.0]))
    types = {"x": MAP, "z": MAP}
    bound = RealAdd(**TWO).ranges([a, b], types, {})
    assert (bound.lo.tolist(), bound.hi.tolist()) == ([0.5, 1.0], [2.25, 13.0])
    bound = RealConcat(**TWO).ranges([a, b], types, {})
    assert bound.lo.tolist() == [1.0, -3.0, -0.5, 4.0]
    assert bound.hi.tolist() == [2.0, 5.0, 0.25, 8.0]
    assert RealConcat(**TWO).shape({"x": MAP, "z": RealType((4, 5, 3))}, {}) == (4, 5, 5)
    x, z = np.arange(40.0).reshape(1, 4, 5, 2), np.ones((1, 4, 5, 2))
    np.testing.assert_array_equal(RealAdd(**TWO).execute([x, z], {}), x + 1)
    joined = RealConcat(**TWO).execute([x, z], {})
    np.testing.assert_array_equal(joined[..., :2], x)
    np.testing.assert_array_equal(joined[..., 2:], z)


def test_flat_in_either_order() -> None:
    x = np.arange(40.0).reshape(1, 4, 5, 2)
    rows = [Interval(np.array([0.0, 1.0]), np.array([38.0, 39.0]))]
    for last in (False, True):
        op = RealFlatten(channels_last=last, **NAMES)
        assert op.shape({"x": MAP}, {}) == (1, 1, 40)
        got = op.execute([x], {}).ravel()
        want = x.ravel() if last else x[0].transpose(2, 0, 1).ravel()
        np.testing.assert_array_equal(got, want)
        bound = op.ranges(rows, {"x": MAP}, {})
        np.testing.assert_array_equal(bound.lo, got % 2)
        np.testing.assert_array_equal(bound.hi, 38 + got % 2)


def test_levels_of_codes() -> None:
    op = RealLookup(levels=LEVELS, **NAMES)
    assert op.shape({"x": CODES}, {}) == (4, 5, 2)
    x = np.array([[[[0.0, 3.0]], [[1.0, 2.0]]]])
    assert op.execute([x], {}).tolist() == [[[[0.0, 6.0]], [[2.0, 5.0]]]]
