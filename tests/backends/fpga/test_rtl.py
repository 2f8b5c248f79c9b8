"""Hardware against the interpreter, bit for bit, and against the timing model, cycle for cycle."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, build_pipeline
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.timing import MachineNetwork
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import Add, Constant, Conv, MaxPool, Program, SumPool, run

from ...frontend.networks import build, ladder, quantizer_parameters, rungs, weight_quantizer
from ...properties.programs import Builder
from .cases import folded_chains, folded_codebooks, folded_programs
from .rtl_cases import simulate
from .test_arithmetic import each_operation
from .test_timing import finished

CYCLES = 400  # of a run in the default tests
LANES = 128  # of an engine; Amaranth's simulator compiles wider ones to Python too deep to parse


def small(folding: Folding) -> bool:
    """Whether Amaranth's simulator can handle every engine."""
    return all(fold.pe * fold.simd <= LANES for fold in folding.engines.values())


def check(
    program: Program, x: np.ndarray[Any, Any], folding: Folding, forms: int, *, most: int = CYCLES
) -> None:
    """Bits equal the interpreter's, and every token of every FIFO moves in the model's cycle.

    ``forms`` seeds the choice of how engines are built, which must not matter.
    """
    assume(small(folding))
    network = MachineNetwork(build_pipeline(program, folding))
    assume(network.bottleneck * (len(x) + 1) < most and program.types[program.input].size < 900)
    expected = network.run(len(x), list(network.sizes))
    assume(int(expected.take_stamp.max()) < most)
    agrees(program, x, network, forms)


def agrees(program: Program, x: np.ndarray[Any, Any], network: MachineNetwork, forms: int) -> None:
    """Check the same as ``check``, for a program of any size."""
    depths = list(network.sizes)
    expected = network.run(len(x), depths)
    last = int(expected.take_stamp.max())
    rng = np.random.default_rng(forms)
    seen = simulate(network.pipeline, depths, x, limit=last + 2, forms=rng)
    assert np.array_equal(seen.output, run(program, x))
    for k in range(len(depths)):
        part = slice(expected.offsets[k], expected.offsets[k] + expected.tokens[k])
        label = network.pipeline.label(network.pipeline.edges[k])
        assert seen.entered[k] == expected.give_stamp[part].tolist(), label
        assert seen.left[k] == expected.take_stamp[part].tolist(), label


@settings(max_examples=8, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks(), st.integers(0, 2**32 - 1))
def test_equals_interpreter_and_timing(case: Any, forms: int) -> None:
    check(*case, forms)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_means_at_edges(seed: int) -> None:
    """Pools whose sums are multiplied up, at any folding."""
    rng = np.random.default_rng(seed)
    b = Builder(seed, 3, int(rng.choice([1, 2, 3, 4])), int(rng.integers(1, 7)), bool(seed % 2))
    program = finished(b, b.mean("x"))
    (engine,) = engines_of(program)
    fold = Fold(int(rng.choice(engine.pe_options)), int(rng.choice(engine.simd_options)))
    check(program, b.input(2), Folding({program.output: fold}), seed)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_products_of_more_than_64_bits(seed: int) -> None:
    """A PReLU on a stream of 44 bits, and the table that reads it."""
    b = Builder(seed, 3, 1 + seed % 4, 44, True)
    bent = b.prelu("x", 44)
    program = finished(b, b.thresholds(b.add(Add, bent, "x"), 2))
    folds = {engine.name: Fold(1, 1) for engine in engines_of(program)}
    check(program, b.input(2), Folding(folds), seed)


def any_folding(program: Program, seed: int) -> Folding:
    """A folding of every engine, drawn with a seed."""
    rng = np.random.default_rng(seed)
    return Folding(
        {
            e.name: Fold(int(rng.choice(e.pe_options)), int(rng.choice(e.simd_options)))
            for e in engines_of(program)
        }
    )


def sequence() -> Program:
    """Layers on maps of one row: strided, depthwise and dilated, pooled."""
    b = Builder(5, 1, 3, 3, False)
    b.types["x"] = replace(b.types["x"], shape=(1, 15, 3))

    def weight(*shape: int) -> str:
        return b.const(Constant.odd(2 * b.rng.integers(0, 4, shape) - 3, 2))

    y = b.add(Conv, "x", weight=weight(4, 1, 5, 3), stride=(1, 2), pads=(0, 2, 0, 2))
    y = b.add(
        Conv,
        b.thresholds(y, 2),
        weight=weight(4, 1, 3, 1),
        groups=4,
        dilation=(1, 2),
        pads=(0, 2, 0, 2),
    )
    y = b.add(MaxPool, b.thresholds(y, 2), kernel=(1, 3), stride=(1, 2), pads=(0, 1, 0, 1))
    return finished(b, b.add(SumPool, y, kernel=(1, 4)))


def three_summands() -> Program:
    """Two convolutions of different delay and their input, summed: a fork of three, two adders."""
    b = Builder(7, 5, 4, 6, True)

    def branch(kernel: int) -> str:
        codes = 2 * b.rng.integers(0, 4, (4, kernel, kernel, 4)) - 3
        return b.add(Conv, "x", weight=b.const(Constant.odd(codes, 2)), pads=(kernel // 2,) * 4)

    def scaled(x: str) -> str:
        b.types[x] = replace(b.types[x], scale=Fraction(1))
        return x

    pair = b.add(Add, scaled(branch(3)), scaled(branch(1)))
    return b.finish(scaled(b.add(Add, scaled(pair), scaled("x"))))


def both_rules() -> Program:
    """Quantizers some of whose thresholds belong to the upper level (>=) and some do not (>)."""
    first = ladder(3, top="f").replace("c2 = Greater ", "c2 = GreaterOrEqual ")
    second = ladder(3, prefix="second_", x="acc", top="y").replace(
        "c1 = Greater ", "c1 = GreaterOrEqual "
    )
    parameters = rungs([-0.5, 0.25, 0.75], [0, 1, 2, 3])
    parameters |= quantizer_parameters(np.random.default_rng(1).normal(0, 1, (3, 2, 1, 1)), 2)
    body = f"{first} {weight_quantizer(2)} [conv] acc = Conv (f, q) {second}"
    return compile_graph(load_graph(build(body, parameters)))


@pytest.mark.parametrize("network", [sequence, three_summands, both_rules])
@pytest.mark.parametrize("seed", [0, 1])
def test_networks(network: Any, seed: int) -> None:
    program = network()
    kind = program.types[program.input]
    if network is both_rules:  # as many values next to and on each threshold
        bounds = np.concatenate(
            [
                program.constants[op.bounds].values.ravel()
                for op in program.ops
                if op.inputs[0] == program.input
            ]
        )
        near = np.clip(np.add.outer(bounds, [0, 1]).ravel(), kind.lo, kind.hi)
        x = np.resize(near, (2, *kind.shape))
    else:
        x = np.random.default_rng(seed).integers(kind.lo, kind.hi + 1, (2, *kind.shape))
    agrees(program, x, MachineNetwork(build_pipeline(program, any_folding(program, seed))), seed)


def code_layer(seed: int) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A matrix-vector engine on codes and a threshold unit, of any low widths and lanes."""
    rng = np.random.default_rng(seed)
    a, w, out = (int(v) for v in rng.integers(1, 5, 3))
    b = Builder(seed, 3, int(rng.integers(1, 8)), a, False)
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    y = b.conv("x", channels, bits=w, kernel=int(rng.choice([1, 2])))
    program = finished(b, b.thresholds(y, out))
    kind = program.types["x"]
    x = rng.integers(kind.lo, kind.hi + 1, (2, *kind.shape))
    return program, x, any_folding(program, seed)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_form_of_multiplying_and_comparing(seed: int) -> None:
    check(*code_layer(seed), seed)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_form_of_multiplying_and_comparing_at_length(seed: int) -> None:
    check(*code_layer(seed), seed, most=5000)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks(), st.integers(0, 2**32 - 1))
def test_equals_interpreter_and_timing_at_length(case: Any, forms: int) -> None:
    check(*case, forms, most=5000)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [c for c in each_operation() if c[0] != "many channels"], ids=lambda c: c[0]
)
def test_each_operation_on_every_kind_of_map(case: tuple[str, Program]) -> None:
    """Grouped, dilated and one-sided windows, means at edges, wide and narrow elements."""
    program = case[1]
    (engine,) = engines_of(program)
    kind, rng = program.types[program.input], np.random.default_rng(3)
    x = rng.integers(kind.lo, kind.hi + 1, (2, *kind.shape))
    folds = [
        Fold(pe, simd)
        for pe in engine.pe_options
        for simd in engine.simd_options
        if pe * simd <= LANES
    ]
    quick = sorted(folds, key=lambda fold: engine.folded(fold).cycles)[:8]
    for seed in range(3):
        fold = quick[int(rng.integers(len(quick)))]
        check(program, x, Folding({program.output: fold}), seed, most=CYCLES * 100)


@settings(max_examples=8, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks(), st.integers(0, 2**32 - 1))
def test_bits_do_not_depend_on_who_waits(case: Any, seed: int) -> None:
    program, x, folding = case
    assume(small(folding))
    network = MachineNetwork(build_pipeline(program, folding))
    assume(network.bottleneck * (len(x) + 1) < CYCLES // 2)
    seen = simulate(
        network.pipeline,
        list(network.sizes),
        x,
        limit=20 * CYCLES,
        stall=np.random.default_rng(seed),
    )
    assert np.array_equal(seen.output, run(program, x))
