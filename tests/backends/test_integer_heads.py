"""ArgMax, ArgMin and TopK of maps and features, by every executor: bit for bit, cycle for cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact
from n2uqc.backends.fpga import build_pipeline, default_folding, simulate
from n2uqc.backends.fpga.timing import MachineNetwork
from n2uqc.passes.program import Program, run

from ..properties.heads import lowered, with_head
from ..properties.programs import Builder
from .cpu.host import Host
from .fpga.test_rtl import agrees

ARGMAX = helper.make_node("ArgMax", ["y"], ["i"], axis=1, keepdims=0)
LAST_ARGMIN = helper.make_node("ArgMin", ["y"], ["i"], axis=3, select_last_index=1)
TOP = helper.make_node("TopK", ["y", "k"], ["v", "i"], axis=1)
LEAST = helper.make_node("TopK", ["y", "k"], ["v", "i"], axis=1, largest=0)


def headed(node: onnx.NodeProto, channels: int, size: int, bits: int = 3, k: int = 1) -> Program:
    """Return a convolution of few different results, with a head behind it."""
    b = Builder(channels, size, 2, 3, signed=True)
    return lowered(with_head(b.finish(b.requantize(b.conv("x", channels, bits=2), bits)), node, k))


CASES = {
    "a map": headed(ARGMAX, 6, 3),
    "channels that are a prime": headed(ARGMAX, 19, 2),
    "features without small divisors": headed(ARGMAX, 37, 1),
    "columns of wide values": headed(LAST_ARGMIN, 4, 5, bits=31),
    "the greatest of a map": headed(TOP, 12, 2, k=3),
    "the least of features": headed(LEAST, 10, 1, bits=20, k=2),
}


def inputs(program: Program, count: int) -> dict[str, np.ndarray]:
    tensor_type = program.int_type(program.input)
    rng = np.random.default_rng(1)
    return {"x": rng.integers(tensor_type.lo, tensor_type.hi + 1, (count, *tensor_type.shape))}


@pytest.mark.parametrize("name", CASES)
def test_executors_agree(name: str, tmp_path: Path) -> None:
    program = CASES[name]
    x = inputs(program, 4)
    want = run(program, x)
    for got in (Host(program, tmp_path)(x), simulate(program, x).outputs):
        assert list(got) == list(want)
        for output in want:
            np.testing.assert_array_equal(got[output], want[output])


@pytest.mark.parametrize("name", ["a map", "features without small divisors"])
def test_hardware_agrees(name: str) -> None:
    program = CASES[name]
    network = MachineNetwork(build_pipeline(program, default_folding(program)))
    agrees(program, inputs(program, 2)["x"], network, 0)


@pytest.mark.parametrize("target", ["aarch64", "armv7", "cortex-m4"])
def test_processors_agree(target: str, tmp_path: Path) -> None:
    program = CASES["the least of features"]
    x = inputs(program, 3)
    place = compile_program(program, target).save(tmp_path / "net")
    got, want = run_artifact(place, x), run(program, x)
    for output in want:
        np.testing.assert_array_equal(got[output], want[output])
