"""Registers narrower than needed: they wrap as hardware does, and every wrap is counted."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga import Fold, Folding, Simulator, simulate
from n2uqc.passes.program import Constant, Conv, IntType, Program, run
from n2uqc.passes.program.types import limits_of

from ...properties.programs import Builder
from .cases import folded_programs
from .test_arithmetic import check


def wrapped(value: np.ndarray[Any, Any], kind: IntType) -> np.ndarray[Any, Any]:
    """Modular arithmetic by Python integers."""
    low, _ = limits_of(kind.bits, kind.signed)
    rest = [(int(v) - low) % (1 << kind.bits) + low for v in value.ravel()]
    return np.array(rest, np.int64).reshape(value.shape)


@settings(max_examples=80, deadline=None)
@given(folded_programs(), st.data())
def test_narrowed_registers_wrap_and_are_counted(case: Any, data: st.DataObject) -> None:
    program, x, folding = case
    assume(all(kind.bits <= 48 for kind in program.types.values()))
    types = dict(program.types)
    held = {op.output for op in program.ops if not op.in_place(program.types, program.constants)}
    for op in program.ops:
        if op.output in held and data.draw(st.booleans()):
            kind = types[op.output]
            least = 2 if kind.signed else 1
            bits = data.draw(st.integers(least, max(least, kind.bits - 1)))
            types[op.output] = replace(kind, bits=bits)
        elif op.output not in held:
            types[op.output] = replace(types[op.output], bits=types[op.inputs[0]].bits)
    narrow = replace(program, types=types)
    simulation = Simulator(narrow, folding).run(x, dump=True)
    values = {program.input: x}
    for op in program.ops:
        exact = op.execute([values[name] for name in op.inputs], program.constants)
        kept = wrapped(exact, types[op.output])
        values[op.output] = kept
        assert np.array_equal(simulation.tensors[op.output], kept), op.output
        if op.output in held:
            assert simulation.events[op.output][1] == int((kept != exact).sum()), op.output


@pytest.mark.parametrize("simd", [1, 3, 9, 27])
def test_wraps_are_counted_fold_by_fold(simd: int) -> None:
    b = Builder(11, 5, 3, 6, True)
    weight = Constant.narrow(b.rng.integers(-20, 21, (4, 3, 3, 3)))
    y = b.add(Conv, "x", weight=b.const(weight), pads=(1, 1, 1, 1))
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    program, bits = b.finish(y), 10
    kind = replace(program.types[y], bits=bits)
    narrow = replace(program, types={**program.types, y: kind})
    x = b.input(3)
    simulation = simulate(narrow, x, Folding({y: Fold(2, simd)}))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total, exact, wraps = 0, 0, 0
    columns = [
        padded[:, r : r + 5, s : s + 5, i, None] * weight.values[:, r, s, i]
        for r in range(3)
        for s in range(3)
        for i in range(3)
    ]
    for start in range(0, 27, simd):
        partial = sum(columns[start : start + simd])
        kept = wrapped(total + partial, kind)
        wraps += int((kept != total + partial).sum())
        total, exact = kept, exact + partial
    assert wraps > 0
    assert simulation.events[y] == (wraps, int((total != exact).sum()))
    assert np.array_equal(simulation.output, total)


def wide_program(bits: int, weight_bits: int, taps: int, seed: int) -> tuple[Builder, Program]:
    """One convolution whose accumulators need ``bits + weight_bits + log2(taps)`` bits."""
    b = Builder(seed, 3, taps, bits, True)
    top = 1 << (weight_bits - 1)
    weight = Constant.narrow(b.rng.integers(-top, top, (5, 1, 1, taps)))
    y = b.add(Conv, "x", weight=b.const(weight))
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    return b, b.finish(y)


@pytest.mark.parametrize(
    ("bits", "weight_bits"), [(32, 24), (32, 28), (33, 28), (36, 24), (30, 31)]
)
@pytest.mark.parametrize("mode", ["random", "max", "min"])
def test_accumulators_up_to_64_bits(bits: int, weight_bits: int, mode: str) -> None:
    b, program = wide_program(bits, weight_bits, 4, bits)
    assert program.types[program.output].bits > 56
    x = b.input(4, mode)
    check(program, x, Folding({program.output: Fold(5, 2)}))
    kind = replace(program.types[program.output], bits=program.types[program.output].bits - 3)
    narrow = replace(program, types={**program.types, program.output: kind})
    simulation = simulate(narrow, x, Folding({program.output: Fold(1, 1)}))
    exact = run(program, x)
    assert np.array_equal(simulation.output, wrapped(exact, kind))
    assert simulation.overflows == int((wrapped(exact, kind) != exact).sum())


def test_partial_sums_that_leave_64_bits_come_back() -> None:
    b = Builder(2, 1, 4, 62, False)
    lo, hi = 3 << 60, (1 << 62) - 1  # zero is not in the range: partial sums exceed the last
    b.types["x"] = replace(b.types["x"], lo=lo, hi=hi)
    weight = Constant.narrow(np.array([3, 3, -3, -3]).reshape(1, 1, 1, 4))
    y = b.add(Conv, "x", weight=b.const(weight))
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    program = b.finish(y)
    assert program.types[y].bits == 64
    x = np.array([[hi, hi, lo, lo], [lo, hi, lo, hi]], np.int64).reshape(2, 1, 1, 4)
    simulation = simulate(program, x, Folding({y: Fold(1, 1)}))
    exact = [3 * (int(v[0]) + int(v[1]) - int(v[2]) - int(v[3])) for v in x.reshape(2, 4)]
    assert simulation.output.ravel().tolist() == exact
    wraps, overflows = simulation.events[y]
    assert wraps > 0
    assert overflows == 0
