"""Copies of elements to other places, by every executor: bit for bit, RTL cycle for cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.fpga import Fold, Folding, build_pipeline, simulate
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.timing import MachineNetwork
from n2uqc.passes.program import Program, run

from ..properties.programs import Builder
from ..properties.test_program import interpreter_equals_spec
from .cpu.host import Host
from .fpga.test_rtl import agrees

KINDS = range(8)


def moved(kind: int, seed: int, *, followed: bool = False, again: bool = False) -> Program:
    b = Builder(seed, 4, 8, 5, signed=bool(seed % 2))
    at = b.rearrange("x", kind)
    if again:
        at = b.rearrange(at, (kind + 3) % 8)
    return b.finish(b.thresholds(at, 2) if followed else b.requantize(at, 12))


def inputs(program: Program, count: int = 2) -> np.ndarray:
    kind = program.int_type(program.input)
    rng = np.random.default_rng(0)
    return rng.integers(kind.lo, kind.hi + 1, (count, *kind.shape))


@pytest.mark.parametrize("kind", KINDS)
def test_executors_agree(kind: int, tmp_path: Path) -> None:
    for program in (moved(kind, 3), moved(kind, 4, followed=True, again=True)):
        x = inputs(program, 4)
        interpreter_equals_spec((program, x))
        want = run(program, x)
        np.testing.assert_array_equal(Host(program, tmp_path)(x), want)
        assert np.array_equal(simulate(program, x).output, want)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [False, True])
def test_hardware_agrees(kind: int, most: bool) -> None:
    """Least and most parallelism; that of a shuffle of channels is wires."""
    program = moved(kind, 5)
    folding = Folding({e.name: Fold(e.pe_options[-1 if most else 0]) for e in engines_of(program)})
    agrees(program, inputs(program), MachineNetwork(build_pipeline(program, folding)), 0)


def test_what_is_within_pixels_is_wires() -> None:
    program = moved(0, 5)
    engine = next(e for e in engines_of(program) if e.kind == "rearrange")
    channels = program.int_type("x").shape[2]
    wired = engine.folded(Fold(channels))
    assert wired.timing.cycles == 16 and wired.latency == 0
