"""Hardware against the interpreter, bit for bit, and against the timing model, cycle for cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, build_pipeline
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.timing import Network
from n2uqc.passes.program import Add, Program, run

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
    network = Network(build_pipeline(program, folding))
    assume(network.bottleneck * (len(x) + 1) < most and program.types[program.input].size < 900)
    depths = list(network.sizes)
    expected = network.run(len(x), depths)
    last = int(expected.take_stamp.max())
    assume(last < most)
    rng = np.random.default_rng(forms)
    seen = simulate(network.pipeline, depths, x, limit=last + 2, forms=rng)
    assert np.array_equal(seen.output, run(program, x))
    for k in range(len(depths)):
        part = slice(expected.offsets[k], expected.offsets[k] + expected.tokens[k])
        label = network.pipeline.label(network.pipeline.edges[k])
        assert seen.entered[k] == expected.give_stamp[part].tolist(), label
        assert seen.left[k] == expected.take_stamp[part].tolist(), label


@settings(max_examples=20, deadline=None)
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


def code_layer(seed: int) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A matrix-vector engine on codes and a threshold unit, of any low widths and lanes."""
    rng = np.random.default_rng(seed)
    a, w, out = (int(v) for v in rng.integers(1, 5, 3))
    b = Builder(seed, 3, int(rng.integers(1, 8)), a, False)
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    y = b.conv("x", channels, bits=w, kernel=int(rng.choice([1, 2])))
    program = finished(b, b.thresholds(y, out))
    folds = {
        e.name: Fold(int(rng.choice(e.pe_options)), int(rng.choice(e.simd_options)))
        for e in engines_of(program)
    }
    kind = program.types["x"]
    return program, rng.integers(kind.lo, kind.hi + 1, (2, *kind.shape)), Folding(folds)


@settings(max_examples=15, deadline=None)
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
        Fold(pe, simd) for pe in engine.pe_options for simd in engine.simd_options
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
    network = Network(build_pipeline(program, folding))
    assume(network.bottleneck * (len(x) + 1) < CYCLES // 2)
    seen = simulate(
        network.pipeline, list(network.sizes), x, limit=20 * CYCLES,
        stall=np.random.default_rng(seed),
    )
    assert np.array_equal(seen.output, run(program, x))
