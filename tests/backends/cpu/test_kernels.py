"""Convolutions, sums and flattening that random programs seldom meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import (
    Add,
    Constant,
    Conv,
    Flatten,
    IntType,
    MaxPool,
    Program,
    SumPool,
)
from tests.properties.programs import Builder

from .host import equals_interpreter

Case = Callable[[], Program]
narrow = Constant.narrow


def conv_case(
    size: int,
    channels: int,
    out: int,
    *,
    bits: int = 2,
    wbits: int = 2,
    then: str = "thresholds",
    **options: object,
) -> Case:
    def build() -> Program:
        b = Builder(out * 31 + size, size, channels, bits, False)
        acc = b.conv("x", out, bits=wbits, **options)
        return b.finish(b.thresholds(acc, 3) if then == "thresholds" else acc)

    return build


def residual() -> Program:
    """One sum of two convolutions: the later one takes the other from memory."""
    b = Builder(7, 6, 8, 2, False)
    left, right = (b.conv("x", 8, bits=2, kernel=1) for _ in range(2))
    for name in (left, right):
        b.types[name] = replace(b.types[name], scale=Fraction(1))
    return b.finish(b.add(Add, left, right))


def added_to_itself(channels: int, kernel: int, pool: bool = False) -> Case:
    """A window's result plus the very map it was computed from."""

    def build() -> Program:
        b = Builder(17, 6, channels, 4, True)
        if pool:
            name = b.add(MaxPool, "x", kernel=(3, 3), pads=(1, 1, 1, 1))
        else:
            weight = b.const(narrow(b.rng.integers(-3, 4, (channels, kernel, kernel, channels))))
            name = b.add(Conv, "x", weight=weight, pads=(kernel // 2,) * 4)
        for tensor in ("x", name):
            b.types[tensor] = replace(b.types[tensor], scale=Fraction(1))
        return b.finish(b.conv(b.add(Add, name, "x"), 3, bits=2))

    return build


def doubled() -> Program:
    b = Builder(8, 4, 3, 8, True)
    return b.finish(b.add(Add, "x", "x"))


def flattened_output() -> Program:
    b = Builder(9, 4, 3, 2, False)
    return b.finish(b.add(Flatten, b.thresholds(b.conv("x", 4, bits=2), 2)))


def flattened_input() -> Program:
    b = Builder(10, 3, 4, 4, True)
    return b.finish(b.add(Flatten, "x"))


def flattened_wider() -> Program:
    """A declared type wider than its range makes flattening move elements."""
    b = Builder(11, 3, 4, 4, True)
    name = b.add(Flatten, "x")
    kind = b.types[name]
    b.types[name] = IntType(kind.shape, 24, True, kind.lo, kind.hi)
    return b.finish(b.conv(name, 5, bits=4, kernel=1))


def flattened_twice() -> Program:
    b = Builder(12, 3, 4, 4, True)
    total = b.add(SumPool, "x", kernel=(3, 3))
    return b.finish(b.thresholds(b.add(Flatten, total), 2))


def wide_padding() -> Program:
    """A pad value that the input's own container cannot hold."""
    b = Builder(13, 5, 3, 8, False)
    weight = b.const(narrow(b.rng.integers(-3, 4, (6, 3, 3, 3))))
    return b.finish(b.add(Conv, "x", weight=weight, pads=(1, 1, 1, 1), pad_value=-70000))


def zero_weights() -> Program:
    b = Builder(14, 4, 3, 24, True)
    return b.finish(b.add(Conv, "x", weight=b.const(narrow(np.zeros((5, 3, 3, 3), int)))))


def bound_case(weight: int) -> Case:
    """Accumulators that just reach, or just leave, 16 bits: 9 · 4 inputs of at most 255."""

    def build() -> Program:
        b = Builder(15, 6, 4, 8, False)
        values = np.full((8, 3, 3, 4), weight)
        values[0, 0, 0, 0] += 1
        return b.finish(b.add(Conv, "x", weight=b.const(narrow(values))))

    return build


CASES: dict[str, Case] = {
    "prime channels and width": conv_case(13, 5, 17),
    "prime channels, accumulators out": conv_case(11, 3, 37, then=""),
    "one of each": conv_case(1, 1, 1, kernel=1),
    "many channels": conv_case(4, 64, 96, wbits=4, bits=4),
    "fully connected": conv_case(1, 100, 1000, kernel=1, bits=8, wbits=8),
    "strided": conv_case(15, 8, 16, stride=2),
    "dilated": conv_case(9, 4, 8, dilation=3),
    "depthwise": conv_case(9, 24, 24, groups=24),
    "depthwise, prime": conv_case(9, 37, 37, groups=37, wbits=4),
    "depthwise, many": conv_case(5, 160, 160, groups=160, bits=4, wbits=8),
    "depth multiplier": conv_case(6, 4, 12, groups=4),
    "grouped": conv_case(6, 32, 64, groups=4),
    "grouped, odd": conv_case(6, 15, 21, groups=3),
    "grouped pairs": conv_case(6, 8, 8, groups=4, bits=8, wbits=8),
    "fixed-point stem": conv_case(8, 3, 16, bits=24, wbits=23, odd=False, stride=2),
    "16-bit accumulators, largest": bound_case(3),
    "16-bit accumulators, left": bound_case(4),
    "negative pad value": wide_padding,
    "zero weights": zero_weights,
    "sum of two branches": residual,
    "sum with itself": doubled,
    "window plus its map": added_to_itself(8, 3),
    "window plus its map, odd": added_to_itself(5, 3),
    "point plus its map": added_to_itself(16, 1),
    "maximum plus its map": added_to_itself(16, 3, pool=True),
    "flattened output": flattened_output,
    "flattened input": flattened_input,
    "flattened to a wider type": flattened_wider,
    "flattened vector": flattened_twice,
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path) -> None:
    equals_interpreter(CASES[name](), tmp_path)
