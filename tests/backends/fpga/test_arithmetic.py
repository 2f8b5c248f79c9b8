"""Bits: the datapath equals the interpreter, and wraps as registers do where it is too narrow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from n2uqc.backends.fpga import Fold, Folding, Simulator, default_folding, jit, simulate
from n2uqc.backends.fpga.engines import byte_dots
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.passes.program import (
    Add,
    Clamp,
    Constant,
    Conv,
    InputError,
    MaxPool,
    PRelu,
    Program,
    Requantize,
    SumPool,
    Thresholds,
    run,
    trace,
    verify,
)

from ...properties.programs import Builder, programs
from .cases import folded_chains, folded_codebooks, folded_programs


def check(program: Program, x: np.ndarray[Any, Any], folding: Folding) -> None:
    """Every named tensor equals the interpreter's; nothing overflowed."""
    simulation = Simulator(program, folding).run(x, dump=True)
    expected = trace(program, x)
    assert set(simulation.tensors) == set(expected)
    for name, value in expected.items():
        assert simulation.tensors[name].dtype == np.int64
        assert np.array_equal(simulation.tensors[name], value), name
    assert simulation.overflows == 0
    assert np.array_equal(simulation.output, expected[program.output])


@settings(max_examples=40, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks())
def test_equals_the_interpreter(case: Any) -> None:
    check(*case)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks())
def test_equals_the_interpreter_at_length(case: Any) -> None:
    check(*case)


@settings(max_examples=30, deadline=None)
@given(programs())
def test_equals_at_the_default_folding_in_pieces(case: Any) -> None:
    program, x = case
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("n2uqc.backends.fpga.simulate"), "CHUNK_BYTES", 1)
        simulation = Simulator(program).run(x, progress=done.append)
    assert np.array_equal(simulation.output, run(program, x))
    assert done == [1] * len(x)


def each_operation() -> list[tuple[str, Program]]:
    """Every operation on every kind of map that the random programs may leave out."""
    cases = []

    def case(name: str, build: Any, size: int = 6, channels: int = 6, bits: int = 4) -> None:
        b = Builder(7, size, channels, bits, name.startswith("signed"))
        y = build(b)
        b.types[y] = replace(b.types[y], scale=Fraction(1))
        cases.append((name, b.finish(y)))

    def conv(b: Builder, out: int, kernel: tuple[int, int], **attributes: Any) -> str:
        depth = b.types["x"].shape[2] // attributes.get("groups", 1)
        weight = Constant.odd(2 * b.rng.integers(0, 4, (out, *kernel, depth)) - 3, 2)
        return b.add(Conv, "x", weight=b.const(weight), **attributes)

    case("grouped", lambda b: conv(b, 9, (3, 3), groups=3, pads=(1, 1, 1, 1), pad_value=3))
    case("multiplier", lambda b: conv(b, 12, (2, 3), groups=6, stride=(2, 1)))
    case("depthwise", lambda b: conv(b, 6, (3, 2), groups=6, dilation=(2, 3), pads=(0, 2, 1, 0)))
    case("strided 1x1", lambda b: conv(b, 5, (1, 1), stride=(2, 3)))
    case("padded 1x1", lambda b: conv(b, 5, (1, 1), pads=(1, 0, 2, 3), pad_value=9))
    case("whole map", lambda b: conv(b, 3, (6, 6)))
    case("many channels", lambda b: conv(b, 37, (3, 3), pads=(2, 2, 2, 2)), 5, 19)
    case(
        "signed maxpool",
        lambda b: b.add(MaxPool, "x", kernel=(3, 2), stride=(2, 2), pads=(1, 0, 2, 1)),
    )
    case(
        "signed sumpool",
        lambda b: b.add(SumPool, "x", kernel=(3, 3), stride=(1, 2), pads=(2, 1, 0, 2)),
        7,
        17,
    )
    case(
        "signed mean",
        lambda b: b.add(
            SumPool, "x", kernel=(3, 3), stride=(1, 2), pads=(2, 1, 0, 2), counted=(0, 1, 0, 0)
        ),
        7,
        17,
    )
    case(
        "mean of wide",
        lambda b: b.add(
            SumPool, "x", kernel=(4, 3), stride=(3, 2), pads=(1, 1, 2, 1), counted=(0,) * 4
        ),
        5,
        3,
        40,
    )
    case("signed global maxpool", lambda b: b.add(MaxPool, "x", kernel=(6, 6)))
    case("signed add", lambda b: b.add(Add, "x", "x"), 4, 20)
    case("signed clamp", lambda b: b.add(Clamp, "x", lo=-3, hi=4))
    case("signed prelu", lambda b: b.prelu("x"), 5, 23, 12)
    case("signed thresholds", lambda b: b.thresholds("x", 4), 5, 18, 9)
    case("signed requantize", lambda b: b.requantize("x", 9), 5, 21, 20)
    return cases


@pytest.mark.parametrize("case", each_operation(), ids=lambda c: c[0])
def test_each_operation_at_every_folding(case: tuple[str, Program]) -> None:
    program = case[1]
    (engine,) = engines_of(program)
    kind = program.types[program.input]
    rng = np.random.default_rng(1)
    x = rng.integers(kind.lo, kind.hi + 1, (3, *kind.shape))
    for pe in engine.pe_options:
        for simd in engine.simd_options[:3] + engine.simd_options[-1:]:
            check(program, x, Folding({program.output: Fold(pe, simd)}))


def test_half_values_round_away_from_zero() -> None:
    b = Builder(1, 1, 2, 5, True)
    y = b.add(
        Requantize,
        "x",
        multiplier=b.const(Constant.narrow([1, 1])),
        bias=b.const(Constant.narrow([0, 0])),
        shift=b.const(Constant.narrow([1, 0])),
        lo=-9,
        hi=9,
    )
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    x = np.arange(-5, 6).repeat(2).reshape(-1, 1, 1, 2)
    output = simulate(b.finish(y), x).output.reshape(-1, 2)
    assert output[:, 0].tolist() == [-3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3]
    assert output[:, 1].tolist() == list(range(-5, 6))


def test_thresholds_compare_strictly() -> None:
    b = Builder(1, 1, 1, 5, True)
    y = b.add(
        Thresholds,
        "x",
        bounds=b.const(Constant.narrow([[-2, 0, 7]])),
        signs=b.const(Constant.odd(np.array([[1, 1, -1]]), 1)),
        base=b.const(Constant.narrow([1])),
        bits=2,
    )
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    x = np.array([-3, -2, -1, 0, 1, 7, 8]).reshape(-1, 1, 1, 1)
    assert simulate(b.finish(y), x).output.ravel().tolist() == [1, 1, 2, 2, 3, 3, 2]


def test_prelu_keeps_what_is_positive() -> None:
    b = Builder(1, 1, 1, 6, True)
    y = b.add(
        PRelu,
        "x",
        multiplier=b.const(Constant.narrow([3])),
        shift=3,
        bias=b.const(Constant.narrow([1])),
        lo=-5,
        hi=20,
    )
    b.types[y] = replace(b.types[y], scale=Fraction(1))
    x = np.array([-32, -4, -1, 0, 5, 31]).reshape(-1, 1, 1, 1)
    assert simulate(b.finish(y), x).output.ravel().tolist() == [-5, -1, 1, 1, 6, 20]


def test_batches_and_bad_inputs() -> None:
    b = Builder(1, 3, 2, 8, True)
    program = b.finish(b.requantize(b.conv("x", 5, bits=4, odd=False, kernel=1)))
    simulator = Simulator(program, default_folding(program))
    assert simulator.run(np.zeros((0, 3, 3, 2), np.int8)).output.shape == (0, 3, 3, 5)
    x = b.input(2)
    fixed = x.astype(np.int8)
    fixed.setflags(write=False)
    strided = np.asfortranarray(x)
    for same in (fixed, strided):
        assert np.array_equal(simulator.run(same).output, run(program, x))
    for bad, message in (
        (x.astype(np.float32), "dtype"),
        (x[:, :2], "shape"),
        (x + 1000, "leave"),
    ):
        with pytest.raises(InputError, match=message):
            simulator.run(bad)


def test_an_unread_tensor() -> None:
    b = Builder(3, 2, 3, 4, False)
    program = b.finish(b.add(Clamp, "x", lo=0, hi=3))
    x = b.input(2)
    simulation = simulate(program, x)
    assert np.array_equal(simulation.output, np.minimum(x, 3))
    assert simulation.interval == 4
    b.add(Clamp, "x", lo=0, hi=5)
    unread = replace(program, types=b.types, ops=tuple(b.ops), plan=None)
    verify(unread)
    assert np.array_equal(simulate(unread, x, dump=True).tensors["t1"], np.minimum(x, 5))


@pytest.mark.parametrize("form", ["vnni", "maddubs", ""])
@pytest.mark.parametrize("seed", range(6))
def test_every_way_the_host_multiplies_codes(
    form: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {str(f) for f in jit.host_target().attrs.get("mattr", ())}
    if {"vnni": "+avx512vnni", "maddubs": "+avx2"}.get(form, "") not in {"", *features}:
        pytest.skip(f"this machine has no {form}")
    rng = np.random.default_rng(seed)
    channels, outputs, bits = (
        int(v)
        for v in (rng.integers(1, 12), rng.choice([1, 15, 16, 40, 64, 70]), rng.integers(1, 5))
    )
    b = Builder(seed, int(rng.integers(3, 10)), channels, bits, False)
    y = b.conv(
        "x", outputs, bits=bits, kernel=int(rng.integers(1, 4)), stride=int(rng.integers(1, 3))
    )
    program, kind = b.finish(b.thresholds(y, bits)), b.types["x"]
    used = []

    def chosen(greatest: int, weight: int) -> str:
        used.append((greatest, weight))
        return form

    monkeypatch.setattr(byte_dots, "instruction", chosen)
    x = rng.integers(kind.lo, kind.hi + 1, (3, *kind.shape))
    x[0] = kind.hi
    simulation = simulate(program, x)
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0 and used
