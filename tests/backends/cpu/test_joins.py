"""Lookups and joins on the host, with what may follow them in one kernel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import (
    Add,
    Constant,
    IntType,
    Lookup,
    Multiply,
    Program,
    SumPool,
    run,
)
from tests.properties.programs import Builder

from .host import Host


def joined(then: str, *, twice: bool = False, channels: int = 5) -> Program:
    b = Builder(7, 4, 3, 8, True)
    first = b.requantize(b.conv("x", channels, bits=4))
    second = first if twice else b.lookup(b.thresholds(b.conv("x", 3, bits=2), 2))
    if b.types[second].shape[:2] != b.types[first].shape[:2]:
        second = first
    both = b.concat(first, second)
    if then == "thresholds":
        return b.finish(b.thresholds(both, 2))
    if then == "requantize":
        return b.finish(b.requantize(both, 12))
    if then == "add":
        kind = b.types[both]
        return b.finish(b.add(Add, b.prelu(both), both) if kind.scale else both)
    return b.finish(both)


@pytest.mark.parametrize("then", ["nothing", "thresholds", "requantize", "add"])
@pytest.mark.parametrize("twice", [False, True])
def test_joins_and_what_follows(then: str, twice: bool, tmp_path: Path) -> None:
    program = joined(then, twice=twice)
    x = np.random.default_rng(0).integers(-128, 128, (6, *program.types["x"].shape))
    assert (Host(program, tmp_path)(x) == run(program, x)).all()


@pytest.mark.parametrize("bits", [1, 4, 5, 8])
def test_lookup_tables_of_any_length(bits: int, tmp_path: Path) -> None:
    b = Builder(3, 5, 7, bits, False)
    levels = b.rng.integers(-(2**30), 2**30, 1 << bits)
    out = b.add(Lookup, "x", table=b.const(Constant.narrow(levels)))
    assert isinstance(b.types[out], IntType)
    program = b.finish(out)
    x = b.input(8)
    assert (Host(program, tmp_path)(x) == levels[x]).all()
    assert (run(program, x) == levels[x]).all()


@pytest.mark.parametrize("channels", [5, 8, 16, 20])
@pytest.mark.parametrize("gate", ["add", "a tensor", "one a channel", "one a place", "one a row"])
def test_what_joins_a_convolution(gate: str, channels: int, tmp_path: Path) -> None:
    """Another operand of a convolution's kernel, where its channels fill its vectors and not."""
    b = Builder(9, 6, 3, 4, False)
    code = b.conv("x", channels, bits=2, kernel=1)
    other = b.requantize(b.conv("x", 1 if gate == "one a place" else channels, bits=3, kernel=1))
    if gate in ("one a channel", "one a row"):
        window = b.types[other].shape[:2] if gate == "one a channel" else (1, 6)
        other = b.requantize(b.add(SumPool, other, kernel=window))
    if gate == "add":
        out = b.add(Add, b.requantize(code), other)
    else:
        out = b.requantize(b.add(Multiply, code, other))
    program = b.finish(out)
    assert (Host(program, tmp_path)(x := b.input(3)) == run(program, x)).all()


@pytest.mark.parametrize("kernel", [(1, 4), (4, 1)], ids=["of a row", "of a column"])
def test_a_join_and_a_number_for_all_places(kernel: tuple[int, int], tmp_path: Path) -> None:
    """The sum stands in registers while the other operand is read at its own row or column."""
    b = Builder(5, 4, 3, 4, True)
    both = b.concat(b.thresholds("x", 2), b.thresholds("x", 2))
    line = b.requantize(b.add(SumPool, "x", kernel=kernel))
    program = b.finish(b.requantize(b.add(Multiply, both, b.concat(line, line))))
    x = b.input(4)
    assert (Host(program, tmp_path)(x) == run(program, x)).all()
