"""Shapes and ranges that random programs seldom meet, each against the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import (
    Add,
    Clamp,
    Constant,
    Conv,
    Flatten,
    IntType,
    MaxPool,
    PRelu,
    Program,
    Requantize,
    SumPool,
    Thresholds,
    run,
)
from tests.properties.programs import Builder

from .host import Host

Case = Callable[[], Program]


def narrow(values: list[int] | np.ndarray) -> Constant:
    return Constant.narrow(np.asarray(values))


def conv_case(
    size: int, channels: int, out: int, *, bits: int = 2, wbits: int = 2, then: str = "thresholds",
    **options: object,
) -> Case:
    def build() -> Program:
        b = Builder(out * 31 + size, size, channels, bits, False)
        acc = b.conv("x", out, bits=wbits, **options)
        return b.finish(b.thresholds(acc, 3) if then == "thresholds" else acc)

    return build


def whole_range(b: Builder, lo: int, hi: int) -> None:
    kind = b.types["x"]
    b.types["x"] = IntType.ranged(kind.shape, lo, hi, kind.scale)


def requantize_case(lo: int, hi: int, m: list[int], bias: list[int], shift: list[int]) -> Case:
    def build() -> Program:
        b = Builder(1, 3, len(m), 2, True)
        whole_range(b, lo, hi)
        out = b.add(
            Requantize, "x", multiplier=b.const(narrow(m)), bias=b.const(narrow(bias)),
            shift=b.const(narrow(shift)), lo=-(2**40), hi=2**40,
        )
        return b.finish(out)

    return build


def prelu_case(lo: int, hi: int, m: list[int], shift: int, low: int, high: int) -> Case:
    def build() -> Program:
        b = Builder(2, 3, len(m), 2, True)
        whole_range(b, lo, hi)
        bias = np.arange(len(m)) * 7 - 3
        return b.finish(b.add(
            PRelu, "x", multiplier=b.const(narrow(m)), shift=shift, bias=b.const(narrow(bias)),
            lo=low, hi=high,
        ))

    return build


def clamp_case(lo: int, hi: int, low: int, high: int) -> Case:
    def build() -> Program:
        b = Builder(3, 4, 5, 2, True)
        whole_range(b, lo, hi)
        return b.finish(b.add(Clamp, "x", lo=low, hi=high))

    return build


def pool_case(op: type, lo: int, hi: int, **options: object) -> Case:
    def build() -> Program:
        b = Builder(4, 7, 19, 2, True)
        whole_range(b, lo, hi)
        return b.finish(b.add(op, "x", **options))

    return build


def table_case(bits: int, bounds: list[list[int]], signs: list[list[int]], base: list[int]) -> Case:
    def build() -> Program:
        b = Builder(5, 6, len(base), 6, True)
        return b.finish(b.add(
            Thresholds, "x", bounds=b.const(narrow(bounds)), base=b.const(narrow(base)),
            signs=b.const(Constant.odd(np.array(signs), 1)), bits=bits,
        ))

    return build


def provable(kind: str) -> Case:
    """Comparisons that the code generator can decide beforehand, on vectors."""
    def build() -> Program:
        b = Builder(16, 5, 8, 6, True)
        wide = b.const(narrow(np.full((8, 3), 6)))
        table = {"signs": b.const(Constant.odd(np.ones((8, 3), int), 1)),
                 "base": b.const(narrow([0] * 8)), "bits": 2}
        name = b.conv("x", 8, bits=2)
        if kind == "clamp":
            name = b.add(Clamp, name, lo=0, hi=6)
        elif kind == "table":
            name = b.add(Thresholds, name, bounds=b.const(narrow(np.full((8, 3), 1))), **table)
        elif kind == "point":
            name = b.add(Clamp, name, lo=9, hi=9)
        elif kind == "prelu":
            name = b.prelu(b.add(Clamp, name, lo=0, hi=6))
            return b.finish(b.prelu(b.add(Clamp, name, lo=-6, hi=-1)))
        return b.finish(b.add(Thresholds, name, bounds=wide, **table))

    return build


def long_table() -> Program:
    b = Builder(6, 5, 3, 12, True)
    bounds = np.sort(b.rng.integers(-2048, 2048, (3, 255)), axis=1)
    return b.finish(b.add(
        Thresholds, "x", bounds=b.const(narrow(bounds)), base=b.const(narrow([0, 255, 0])),
        signs=b.const(Constant.odd(np.array([[1], [-1], [1]]) * np.ones((1, 255), int), 1)), bits=8,
    ))


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


HUGE = 2**62
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
    "255 levels": long_table,
    "table behind a clamp": provable("clamp"),
    "table behind a table": provable("table"),
    "table of one number": provable("point"),
    "slopes behind clamps": provable("prelu"),
    "rising": table_case(2, [[-9, 0, 9]] * 3, [[1, 1, 1]] * 3, [0] * 3),
    "falling and rising": table_case(2, [[-9, 0, 9], [1, 1, 1]], [[-1, -1, -1], [1, 1, 1]], [3, 0]),
    "mixed signs": table_case(2, [[-20, 0, 7], [3, 4, 5]], [[1, -1, 1], [1, 1, -1]], [1, 0]),
    "no levels": table_case(2, np.zeros((2, 0), int), np.zeros((2, 0), int), [1, 2]),
    "bounds far outside": table_case(1, [[-(2**40)], [2**40]], [[1], [1]], [0, 0]),
    "halves": requantize_case(-64, 63, [1, -1, 1, 3], [0, 0, 1, -1], [1, 1, 2, 3]),
    "no shift": requantize_case(-64, 63, [5, -7], [2**33, 0], [0, 0]),
    "some shifts": requantize_case(-(2**20), 2**20, [5, -7, 9], [1, -1, 0], [0, 31, 62]),
    "clamped": requantize_case(-(2**31), 2**31 - 1, [2**30, -(2**30)], [0, 0], [2, 1]),
    "product beyond 64 bits": requantize_case(2**33, 2**33 + 5, [2**30 + 1, 2**30], [-(2**63) + 9,
                                              -(2**63) + 1], [3, 60]),
    "huge input": requantize_case(-HUGE, HUGE, [1, -1], [5, -5], [40, 20]),
    "gentle slope": prelu_case(-(2**15), 2**15 - 1, [3, 0, 7, 12], 5, -(2**15), 2**15 - 1),
    "steep negative slope": prelu_case(-(2**15), 2**15 - 1, [-(2**30), 2**30], 1, -(2**50), 2**50),
    "slope without shift": prelu_case(-9, 9, [2, -3], 0, -20, 20),
    "only positive": prelu_case(1, 9, [2, -3], 4, 0, 12),
    "only negative": prelu_case(-9, -1, [2, -3], 1, -5, 5),
    "wide stream": prelu_case(-(2**31), 2**31 - 1, [2**31 - 1, 1], 31, -(2**40), 2**40),
    "relu": clamp_case(-128, 127, 0, 2**40),
    "clamp above": clamp_case(-5, 5, 100000, 200000),
    "clamp below": clamp_case(-5, 5, -300, -200),
    "clamp wide": clamp_case(-(2**40), 2**40, -3, 2**33),
    "maximum of negatives": pool_case(MaxPool, -100, -3, kernel=(3, 3), stride=(2, 2),
                                      pads=(1, 1, 1, 1)),
    "maximum of unsigned": pool_case(MaxPool, 0, 200, kernel=(2, 3), pads=(1, 0, 0, 2)),
    "maximum of wide": pool_case(MaxPool, -(2**50), 2**50, kernel=(2, 2), pads=(1, 1, 1, 1)),
    "sum with padding": pool_case(SumPool, 3, 250, kernel=(3, 3), pads=(1, 2, 1, 2)),
    "mean without padding": pool_case(SumPool, 3, 250, kernel=(3, 3), stride=(2, 1),
                                      pads=(1, 2, 1, 2), counted=(0, 0, 0, 0)),
    "mean with some padding": pool_case(SumPool, -9, 5, kernel=(3, 4), stride=(2, 3),
                                        pads=(1, 1, 2, 3), counted=(1, 1, 1, 1)),
    "mean of wide": pool_case(SumPool, -(2**50), 2**50, kernel=(3, 3), pads=(1, 1, 1, 1),
                              counted=(0, 0, 0, 0)),
    "sum of wide": pool_case(SumPool, -(2**50), 2**50, kernel=(7, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path) -> None:
    program = plan_memory(CASES[name]())
    kind = program.types[program.input]
    rng = np.random.default_rng(0)
    x = rng.integers(kind.lo, kind.hi + 1, (6, *kind.shape), dtype=np.int64)
    x[1], x[2] = kind.lo, kind.hi
    x[3] = rng.choice([kind.lo, kind.hi], kind.shape)
    np.testing.assert_array_equal(Host(program, tmp_path)(x), run(program, x))
