"""Hardware against the interpreter, bit for bit, and against the timing model, cycle for cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Folding, build_pipeline
from n2uqc.backends.fpga.timing import Network
from n2uqc.passes.program import Program, run

from .cases import folded_chains, folded_codebooks, folded_programs
from .rtl_cases import simulate

CYCLES = 400  # of a run in the default tests
LANES = 128  # of an engine; Amaranth's simulator compiles wider ones to Python too deep to parse


def small(folding: Folding) -> bool:
    """Whether Amaranth's simulator can handle every engine."""
    return all(fold.pe * fold.simd <= LANES for fold in folding.engines.values())


def check(
    program: Program, x: np.ndarray[Any, Any], folding: Folding, *, most: int = CYCLES
) -> None:
    """Bits equal the interpreter's, and every token of every FIFO moves in the model's cycle."""
    assume(small(folding))
    network = Network(build_pipeline(program, folding))
    assume(network.bottleneck * (len(x) + 1) < most and program.types[program.input].size < 300)
    depths = list(network.sizes)
    expected = network.run(len(x), depths)
    last = int(expected.take_stamp.max())
    assume(last < most)
    seen = simulate(network.pipeline, depths, x, limit=last + 2)
    assert np.array_equal(seen.output, run(program, x))
    for k in range(len(depths)):
        part = slice(expected.offsets[k], expected.offsets[k] + expected.tokens[k])
        label = network.pipeline.label(network.pipeline.edges[k])
        assert seen.entered[k] == expected.give_stamp[part].tolist(), label
        assert seen.left[k] == expected.take_stamp[part].tolist(), label


@settings(max_examples=20, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks())
def test_equals_interpreter_and_timing(case: Any) -> None:
    check(*case)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks())
def test_equals_interpreter_and_timing_at_length(case: Any) -> None:
    check(*case, most=5000)


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
