"""Whole networks: shipped digits and ResNet-18, equal to the interpreter and fast enough.

Seconds are those of the processor, children included: on a machine that does nothing else, a clock
on the wall shows fewer, and tests may run beside other work.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.fpga import Simulator
from n2uqc.passes import load
from n2uqc.passes.program import run

from .cases import resnet18

ZOO = Path(__file__).parents[3] / "models" / "zoo"


def seconds() -> float:
    """Of the processor, until now."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_digits(bits: int) -> None:
    path = ZOO / f"digits_{bits}bit.onnx"
    program = load(path)
    kind = program.types[program.input]
    x = np.random.default_rng(bits).integers(kind.lo, kind.hi + 1, (500, *kind.shape))
    simulator = Simulator(program)
    simulator.run(x[:8])
    start = seconds()
    simulation = simulator.run(x)
    taken = seconds() - start
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert simulation.timing.settled
    assert len(x) / taken > 1000, f"{len(x) / taken:.0f} images/s"


@pytest.mark.slow
def test_resnet18_in_half_a_minute() -> None:
    program, x = resnet18()
    start = seconds()
    simulation = Simulator(program).run(x)
    interval = simulation.interval
    taken = seconds() - start
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert interval == max(e.busy for e in simulation.engines)
    assert taken < 30, f"{taken:.1f} s"


def test_a_small_resnet18() -> None:
    program, x = resnet18(64)
    simulation = Simulator(program).run(x)
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0
    assert simulation.interval == max(e.busy for e in simulation.engines)
