"""Whole networks in the datapath: shipped digits and ResNet-18, equal to the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.fpga import Simulator
from n2uqc.passes import load
from n2uqc.passes.program import run

from .cases import resnet18

ZOO = Path(__file__).parents[3] / "models" / "zoo"


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_digits(bits: int) -> None:
    path = ZOO / f"digits_{bits}bit.onnx"
    program = load(path)
    kind = program.types[program.input]
    x = np.random.default_rng(bits).integers(kind.lo, kind.hi + 1, (500, *kind.shape))
    simulation = Simulator(program).run(x)
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert simulation.timing.settled


@pytest.mark.slow
def test_resnet18() -> None:
    program, x = resnet18()
    simulation = Simulator(program).run(x)
    interval = simulation.interval
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert interval == max(e.busy for e in simulation.engines)


def test_a_small_resnet18() -> None:
    program, x = resnet18(64)
    simulation = Simulator(program).run(x)
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert simulation.interval == max(e.busy for e in simulation.engines)
