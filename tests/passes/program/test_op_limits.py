"""The rules of operations at their limits: the last that is legal, and the first that is not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Constant,
    ConstRef,
    Conv,
    IllegalOp,
    IntType,
    Lookup,
    MaxPool,
    Multiply,
    PRelu,
    RealType,
    Requantize,
    Thresholds,
)
from n2uqc.passes.program.operation import Op
from n2uqc.passes.program.ops.interpolate import Interpolate

NAMES = {"output": "y", "inputs": ("x",)}
TWO = {"output": "y", "inputs": ("x", "z")}
BIG = 2**31


def legal(op: Op, constants: dict[str, Any], **kinds: IntType | RealType) -> None:
    arrays = {name: Constant.narrow(np.array(v, np.int64)) for name, v in constants.items()}
    op.infer(kinds, arrays)


def illegal(told: str, op: Op, constants: dict[str, Any], **kinds: IntType | RealType) -> None:
    with pytest.raises(IllegalOp, match=told):
        legal(op, constants, **kinds)


def ranged(lo: int, hi: int, shape: tuple[int, int, int] = (1, 1, 1), scale: int = 1) -> IntType:
    return IntType.ranged(shape, lo, hi, Fraction(scale))


def test_clamp_and_lookup() -> None:
    x = ranged(0, 3)
    legal(Clamp(lo=2, hi=2, **NAMES), {}, x=x)
    illegal("empty range", Clamp(lo=3, hi=2, **NAMES), {}, x=x)
    op = Lookup(table=ConstRef("t"), **NAMES)
    legal(op, {"t": [5] * 4}, x=x)
    illegal("leave a table of 3", op, {"t": [5] * 3}, x=x)
    illegal(r"codes -1\.\.3 leave", op, {"t": [5] * 4}, x=ranged(-1, 3))
    illegal(r"shape \(1, 4\)", op, {"t": [[5] * 4]}, x=x)
    illegal("not an integer tensor", op, {"t": [5] * 4}, x=RealType((1, 1, 1)))


def test_two_inputs() -> None:
    x, half = ranged(0, 3, (2, 3, 2)), 2**62
    for kind in (Add, Multiply, Concat):
        legal(kind(**TWO), {}, x=x, z=x)
        illegal("two inputs", kind(**NAMES), {}, x=x)
        illegal("two inputs", kind(output="y", inputs=("x", "x", "x")), {}, x=x)
    illegal("shapes", Add(**TWO), {}, x=x, z=ranged(0, 3, (2, 3, 1)))
    illegal("scales 1 and 3 differ", Add(**TWO), {}, x=x, z=ranged(0, 3, (2, 3, 2), 3))
    legal(Concat(**TWO), {}, x=x, z=ranged(0, 3, (2, 3, 1)))
    illegal("maps", Concat(**TWO), {}, x=x, z=ranged(0, 3, (2, 2, 2)))
    illegal("maps", Concat(**TWO), {}, x=x, z=ranged(0, 3, (1, 3, 2)))
    illegal("scales 1 and 3 differ", Concat(**TWO), {}, x=x, z=ranged(0, 3, (2, 3, 2), 3))
    legal(Add(**TWO), {}, x=ranged(-half + 1, half - 1), z=ranged(-half, half))
    illegal("more than 64 bits", Add(**TWO), {}, x=ranged(0, half), z=ranged(0, half))
    illegal("more than 64 bits", Add(**TWO), {}, x=ranged(-half, 0), z=ranged(-half, 0))
    legal(Multiply(**TWO), {}, x=x, z=ranged(0, 3, (1, 3, 1), 7))
    illegal("spread over", Multiply(**TWO), {}, x=x, z=ranged(0, 3, (1, 2, 1)))
    illegal("spread over", Multiply(**TWO), {}, x=ranged(0, 3, (1, 3, 1)), z=x)
    legal(Multiply(**TWO), {}, x=ranged(0, 2**31), z=ranged(0, 2**32 - 1))
    illegal("more than 64 bits", Multiply(**TWO), {}, x=ranged(0, 2**31), z=ranged(0, 2**32))
    illegal("more than 64 bits", Multiply(**TWO), {}, x=ranged(-(2**31), 0), z=ranged(0, 2**32))


def test_prelu() -> None:
    def op(shift: int = 0, lo: int = -9, hi: int = 9) -> PRelu:
        names = {"multiplier": ConstRef("m"), "bias": ConstRef("b")}
        return PRelu(shift=shift, lo=lo, hi=hi, **names, **NAMES)

    x, one = ranged(-4, 4), {"m": [1], "b": [0]}
    legal(op(lo=9), one, x=x)
    illegal("empty", op(lo=10), one, x=x)
    for shift in (0, 31):
        legal(op(shift), one, x=x)
    for shift in (-1, 32):
        illegal(r"0\.\.31", op(shift), one, x=x)
    for sign in (1, -1):
        legal(op(), {"m": [sign * (BIG - 1)], "b": [0]}, x=x)
        illegal("32 bits", op(), {"m": [sign * BIG], "b": [0]}, x=x)
    two = ranged(-4, 4, (1, 1, 2))
    for steep in ([1, BIG], [-BIG, 1]):  # any channel
        illegal("32 bits", op(), {"m": steep, "b": [0, 0]}, x=two)
    for wrong in ({"m": [1, 1], "b": [0]}, {"m": [1], "b": [0, 0]}, {"m": [1, 1], "b": [0, 0]}):
        illegal("do not fit 1 channels", op(), wrong, x=x)
    # The bound adds slope * 2**31: what the low half of a product may be.
    for shift, wide in ((0, 2**33), (1, 2**34)):
        steep, lo = {"m": [1 << 30], "b": [0]}, 2**31 - wide
        legal(op(shift), steep, x=ranged(lo + 1, 0))
        illegal("64 bits", op(shift), steep, x=ranged(lo, 0))
    top = 2**62
    legal(op(), {"m": [0], "b": [top - 1]}, x=ranged(0, top))
    illegal("64 bits", op(), {"m": [0], "b": [top]}, x=ranged(0, top))
    illegal("64 bits", op(), {"m": [0], "b": [-top]}, x=ranged(0, top))


def test_requantize() -> None:
    def op(lo: int = -9, hi: int = 9) -> Requantize:
        names = {"multiplier": ConstRef("m"), "bias": ConstRef("b"), "shift": ConstRef("s")}
        return Requantize(lo=lo, hi=hi, **names, **NAMES)

    x, one = ranged(-4, 4), {"m": [1], "b": [0], "s": [0]}
    legal(op(lo=9), one, x=x)
    illegal("empty", op(lo=10), one, x=x)
    for shift in (0, 62):
        legal(op(), {**one, "s": [shift]}, x=x)
    for shift in (-1, 63):
        illegal(r"0\.\.62", op(), {**one, "s": [shift]}, x=x)
    for sign in (1, -1):
        legal(op(), {**one, "m": [sign * (BIG - 1)]}, x=x)
        illegal("32 bits", op(), {**one, "m": [sign * BIG]}, x=x)
    for name in one:
        illegal("do not fit 1 channels", op(), {**one, name: [1, 1]}, x=x)
    for shift in (0, 1, 5, 62):
        half = (1 << shift) // 2
        top = 2**63 - 1 - half
        legal(op(), {"m": [1], "b": [top - 9], "s": [shift]}, x=ranged(0, 9))
        illegal("64 bits", op(), {"m": [1], "b": [top - 8], "s": [shift]}, x=ranged(0, 9))
        illegal("64 bits", op(), {"m": [-1], "b": [top - 8], "s": [shift]}, x=ranged(-9, 0))
        legal(op(), {"m": [1], "b": [10 - top], "s": [shift]}, x=ranged(-9, 0))
        illegal("64 bits", op(), {"m": [1], "b": [9 - top], "s": [shift]}, x=ranged(-9, 0))
        illegal("64 bits", op(), {"m": [-1], "b": [9 - top], "s": [shift]}, x=ranged(0, 9))


def test_thresholds() -> None:
    def op(bits: int) -> Thresholds:
        names = {"bounds": ConstRef("b"), "signs": ConstRef("s"), "base": ConstRef("z")}
        return Thresholds(bits=bits, **names, **NAMES)

    x, one = ranged(-4, 4), {"b": [[0]], "s": [[1]], "z": [0]}
    for bits in (1, 32):
        legal(op(bits), one, x=x)
    for bits in (0, 33):
        illegal(f"codes of {bits} bits", op(bits), one, x=x)
    legal(op(2), {**one, "z": [2]}, x=x)
    illegal(r"codes 3\.\.4 leave 0\.\.3", op(2), {**one, "z": [3]}, x=x)
    legal(op(1), {**one, "s": [[-1]], "z": [1]}, x=x)
    illegal(r"codes -1\.\.0", op(1), {**one, "s": [[-1]]}, x=x)
    for wrong in (
        {"b": [0], "s": [1]},
        {"b": [[0, 1]]},
        {"b": [[0], [0]], "s": [[1], [1]], "z": [0, 0]},
        {"z": [0, 0]},
        {"z": [[0]]},
    ):
        illegal("do not fit", op(2), {**one, **wrong}, x=x)


def test_interpolate() -> None:
    def op(start: int = 0, step: int = 0, shift: int = 0) -> Interpolate:
        names = {"base": ConstRef("b"), "slope": ConstRef("s")}
        return Interpolate(start=start, step=step, shift=shift, **names, **NAMES)

    x, none = ranged(0, 4), {"b": [[0, 0]], "s": [[0, 0]]}
    for step, shift in ((0, 0), (31, 0), (0, 61)):
        legal(op(0, step, shift), none, x=x)
    for step, shift in ((-1, 0), (32, 0), (0, -1), (0, 63)):
        illegal("out of range", op(0, step, shift), none, x=x)
    for wrong in ({"b": [0], "s": [0]}, {"b": [[0]]}, {"b": [[0, 0]] * 2, "s": [[0, 0]] * 2}):
        illegal("do not fit 1 channels", op(), {**none, **wrong}, x=x)
    illegal("no pieces", op(), {"b": np.zeros((1, 0)), "s": np.zeros((1, 0))}, x=x)
    for sign in (1, -1):
        legal(op(), {**none, "s": [[sign * (BIG - 1), 0]]}, x=x)
        illegal("32 bits", op(), {**none, "s": [[0, sign * BIG]]}, x=x)
        legal(op(), {**none, "b": [[0, sign * (2**62 - 2**10)]]}, x=x)
        illegal("sum needs", op(), {**none, "b": [[sign * 2**62, 0]]}, x=x)
    illegal("sum needs", op(shift=61), {**none, "b": [[2**61, 0]]}, x=x)
    legal(op(-3), none, x=ranged(0, 2**62 - 4))
    illegal("place needs", op(-3), none, x=ranged(0, 2**62 - 3))
    legal(op(3), none, x=ranged(4 - 2**62, 0))
    illegal("place needs", op(3), none, x=ranged(3 - 2**62, 0))


@pytest.mark.parametrize("start", [0, 7])
def test_interpolated_sums(start: int) -> None:
    """Values before the first piece, behind the last, and within one that no end of x reaches."""
    steep = BIG - 1  # times 2**31 still less than 2**62

    def op(step: int) -> Interpolate:
        names = {"base": ConstRef("b"), "slope": ConstRef("s")}
        return Interpolate(start=start, step=step, shift=0, **names, **NAMES)

    def slopes(*values: int) -> dict[str, Any]:
        return {"b": [[0] * len(values)], "s": [list(values)]}

    for pieces in ((steep,), (steep, 0)):
        legal(op(4), slopes(*pieces), x=ranged(start - BIG, start))
        illegal("sum needs", op(4), slopes(*pieces), x=ranged(start - BIG - 2, start))
    legal(op(4), slopes(steep), x=ranged(start, start + BIG))
    illegal("sum needs", op(4), slopes(steep), x=ranged(start, start + BIG + 2))
    legal(op(31), slopes(0, steep), x=ranged(start, start + 2 * BIG))
    illegal("sum needs", op(31), slopes(0, steep), x=ranged(start, start + 2 * BIG + 2))
    legal(op(30), slopes(0, 0, steep), x=ranged(start, start + 2 * BIG))
    illegal("sum needs", op(30), slopes(0, 0, steep), x=ranged(start, start + 2 * BIG + 2))
    inner = {"b": [[0, 2**62 - 2**40, 0]], "s": [[0, 2**20, 0]]}
    legal(op(19), inner, x=ranged(start, start + 1))
    illegal("sum needs", op(21), inner, x=ranged(start, start + 1))


def test_convolution() -> None:
    x, ones = ranged(0, 3, (3, 3, 4)), {"w": np.ones((2, 2, 2, 2))}

    def op(**fields: Any) -> Conv:
        return Conv(weight=ConstRef("w"), **fields, **NAMES)

    legal(op(groups=2), ones, x=x)
    for groups in (1, 3, 4):
        illegal(f"{groups} groups does not fit 4 channels", op(groups=groups), ones, x=x)
    illegal("does not fit", op(groups=2), {"w": np.ones((3, 2, 2, 2))}, x=x)
    for wrong in (
        {"stride": (0, 1)}, {"stride": (1, 0)}, {"dilation": (0, 1)}, {"pads": (0, 0, 0, -1)},
        {"pads": (0, 0, 0)},
    ):  # fmt: skip
        illegal("no window has such numbers", op(groups=2, **wrong), ones, x=x)
    legal(op(groups=2, dilation=(2, 2)), ones, x=x)
    illegal("does not fit a map of 3x3", op(groups=2, dilation=(3, 1)), ones, x=x)
    illegal("does not fit a map of 3x3", op(groups=2, dilation=(1, 3)), ones, x=x)
    illegal("many times", op(groups=2, pads=(0, 0, 1 << 16, 0)), ones, x=x)
    for code in (2**31 - 1, 1 - 2**31):
        legal(op(groups=2, pad_value=code), ones, x=x)
    for code in (2**31, -(2**31), 10**30):
        illegal("outside the map", op(groups=2, pad_value=code), ones, x=x)
    values = {"w": np.arange(16).reshape(2, 2, 2, 2)}  # eight in each output channel
    legal(op(groups=2, levels=3), values, x=x)
    legal(op(groups=2, levels=8), values, x=x)
    for levels in (2, 9, -1):
        illegal("values in an output channel", op(groups=2, levels=levels), values, x=x)
    legal(op(), {"w": [[[[1]]]]}, x=ranged(-(2**63) + 1, 2**63 - 1))
    illegal("64 bits", op(), {"w": [[[[2]]]]}, x=ranged(0, 2**62))
    illegal("64 bits", op(), {"w": [[[[-2]]]]}, x=ranged(0, 2**62))
    illegal("64 bits", op(), {"w": [[[[1, 1]]]]}, x=ranged(0, 2**62, (1, 1, 2)))


def test_pools() -> None:
    x = ranged(0, 3, (4, 4, 1))

    def op(**fields: Any) -> MaxPool:
        return MaxPool(**{"kernel": (2, 3), **fields}, **NAMES)

    legal(op(pads=(1, 2, 1, 2)), {}, x=x)
    for k, pads in enumerate(((2, 0, 0, 0), (0, 3, 0, 0), (0, 0, 2, 0), (0, 0, 0, 3))):
        illegal("padding as wide", op(pads=pads), {}, x=x)
        less = tuple(p - (i == k) for i, p in enumerate(pads))
        legal(op(pads=less), {}, x=x)
    for wrong in (
        {"kernel": (0, 1)}, {"kernel": (1, 0)}, {"stride": (0, 1)}, {"stride": (1, 0)},
        {"pads": (-1, 0, 0, 0)}, {"pads": (0, 0, 0)}, {"kernel": (1, 1, 1)},
    ):  # fmt: skip
        illegal("no window has such numbers", op(**wrong), {}, x=x)
    legal(op(kernel=(4, 4)), {}, x=x)
    illegal("does not fit a map of 4x4", op(kernel=(5, 4)), {}, x=x)
    illegal("does not fit a map of 4x4", op(kernel=(4, 5)), {}, x=x)
    illegal("many times", op(kernel=(1, 1 << 16), pads=(0, 0, 0, 1 << 15)), {}, x=x)
    illegal("not an integer tensor", op(), {}, x=RealType((4, 4, 1)))
