"""Ranges and windows of everything but convolutions that random programs seldom meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import (
    Clamp,
    Constant,
    IntType,
    MaxPool,
    PRelu,
    Program,
    Requantize,
    SumPool,
    Thresholds,
)
from tests.properties.programs import Builder

from .host import equals_interpreter

Case = Callable[[], Program]
narrow = Constant.narrow


def whole_range(b: Builder, lo: int, hi: int) -> None:
    kind = b.types["x"]
    b.types["x"] = IntType.ranged(kind.shape, lo, hi, kind.scale)


def requantize_case(lo: int, hi: int, m: list[int], bias: list[int], shift: list[int]) -> Case:
    def build() -> Program:
        b = Builder(1, 3, len(m), 2, True)
        whole_range(b, lo, hi)
        out = b.add(
            Requantize,
            "x",
            multiplier=b.const(narrow(m)),
            bias=b.const(narrow(bias)),
            shift=b.const(narrow(shift)),
            lo=-(2**40),
            hi=2**40,
        )
        return b.finish(out)

    return build


def prelu_case(
    lo: int, hi: int, m: list[int], shift: int, low: int, high: int, more: int = 0
) -> Case:
    def build() -> Program:
        b = Builder(2, 3, len(m), 2, True)
        whole_range(b, lo, hi)
        bias = np.arange(len(m)) * 7 - 3 + more
        return b.finish(
            b.add(
                PRelu,
                "x",
                multiplier=b.const(narrow(m)),
                shift=shift,
                bias=b.const(narrow(bias)),
                lo=low,
                hi=high,
            )
        )

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
        return b.finish(
            b.add(
                Thresholds,
                "x",
                bounds=b.const(narrow(bounds)),
                base=b.const(narrow(base)),
                signs=b.const(Constant.odd(np.array(signs), 1)),
                bits=bits,
            )
        )

    return build


def provable(kind: str) -> Case:
    """Comparisons that the code generator can decide beforehand, on vectors."""

    def build() -> Program:
        b = Builder(16, 5, 8, 6, True)
        wide = b.const(narrow(np.full((8, 3), 6)))
        table = {
            "signs": b.const(Constant.odd(np.ones((8, 3), int), 1)),
            "base": b.const(narrow([0] * 8)),
            "bits": 2,
        }
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
    return b.finish(
        b.add(
            Thresholds,
            "x",
            bounds=b.const(narrow(bounds)),
            base=b.const(narrow([0, 255, 0])),
            signs=b.const(Constant.odd(np.array([[1], [-1], [1]]) * np.ones((1, 255), int), 1)),
            bits=8,
        )
    )


HUGE = 2**62
CASES: dict[str, Case] = {
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
    "product beyond 64 bits": requantize_case(
        2**33, 2**33 + 5, [2**30 + 1, 2**30], [-(2**63) + 9, -(2**63) + 1], [3, 60]
    ),
    "huge input": requantize_case(-HUGE, HUGE, [1, -1], [5, -5], [40, 20]),
    "gentle slope": prelu_case(-(2**15), 2**15 - 1, [3, 0, 7, 12], 5, -(2**15), 2**15 - 1),
    "steep negative slope": prelu_case(-(2**15), 2**15 - 1, [-(2**30), 2**30], 1, -(2**50), 2**50),
    "slope without shift": prelu_case(-9, 9, [2, -3], 0, -20, 20),
    "only positive": prelu_case(1, 9, [2, -3], 4, 0, 12),
    "only negative": prelu_case(-9, -1, [2, -3], 1, -5, 5),
    "wide stream": prelu_case(-(2**31), 2**31 - 1, [2**31 - 1, 1], 31, -(2**40), 2**40),
    "bias up, out of 32 bits": prelu_case(-(2**30), 2**30 + 9, [1, -1], 0, -(2**40), 2**40, 2**30),
    "bias down, out of 32 bits": prelu_case(
        -(2**30) - 9, 2**30, [1, 1], 0, -(2**40), 2**40, -(2**30)
    ),
    "bias beyond the lower clamp": prelu_case(-9, 9, [1, 1], 0, -12, 12, -6),
    "bias beyond the upper clamp": prelu_case(-9, 9, [1, 1], 0, -12, 12, 6),
    "products that leave 32 bits with their half": prelu_case(
        -65535, 9, [32767, 32767], 18, -(2**40), 2**40
    ),
    "products of a falling slope that do": prelu_case(
        -65535, 9, [-32767, -32767], 18, -(2**40), 2**40
    ),
    "relu": clamp_case(-128, 127, 0, 2**40),
    "clamp above": clamp_case(-5, 5, 100000, 200000),
    "clamp below": clamp_case(-5, 5, -300, -200),
    "clamp wide": clamp_case(-(2**40), 2**40, -3, 2**33),
    "maximum of negatives": pool_case(
        MaxPool, -100, -3, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1)
    ),
    "maximum of unsigned": pool_case(MaxPool, 0, 200, kernel=(2, 3), pads=(1, 0, 0, 2)),
    "maximum of wide": pool_case(MaxPool, -(2**50), 2**50, kernel=(2, 2), pads=(1, 1, 1, 1)),
    "sum with padding": pool_case(SumPool, 3, 250, kernel=(3, 3), pads=(1, 2, 1, 2)),
    "mean without padding": pool_case(
        SumPool, 3, 250, kernel=(3, 3), stride=(2, 1), pads=(1, 2, 1, 2), counted=(0, 0, 0, 0)
    ),
    "mean with some padding": pool_case(
        SumPool, -9, 5, kernel=(3, 4), stride=(2, 3), pads=(1, 1, 2, 3), counted=(1, 1, 1, 1)
    ),
    "mean of wide": pool_case(
        SumPool, -(2**50), 2**50, kernel=(3, 3), pads=(1, 1, 1, 1), counted=(0, 0, 0, 0)
    ),
    "sum beyond 16 bits": pool_case(SumPool, 0, 1000, kernel=(7, 7)),
    "sum beyond 32 bits": pool_case(SumPool, -(2**27), 2**27, kernel=(7, 7)),
    "sum of wide": pool_case(SumPool, -(2**50), 2**50, kernel=(7, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path) -> None:
    equals_interpreter(CASES[name](), tmp_path)
