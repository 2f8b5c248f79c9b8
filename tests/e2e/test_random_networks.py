"""Random small networks through the whole house: held against exact arithmetic, every executor.

Trained-looking ones: bits 1 to 4, gammas and slopes of both signs and zero, residual and plain
blocks, uneven levels.  And ordinary ones, as ONNX files, which cost is counted of too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings

from n2uqc.backends.cost.compare import compare
from n2uqc.backends.fpga import simulate
from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.program import IntType, Program, quantize_input, run

from ..backends.cpu.host import Host
from ..properties.networks import networks
from ..properties.ordinary import ordinary_networks
from ..properties.truth import Ordinary


def _check(graph: ir.Model, images: np.ndarray, folder: Path) -> Program:
    """Hold the program against its network, and two other executors against the program."""
    program = compile_graph(graph)
    kind = program.types[program.input]
    assert isinstance(kind, IntType)
    corners = np.stack([np.full(kind.shape, v, np.int64) for v in (kind.lo, kind.hi)])
    x = np.concatenate([quantize_input(program, images), corners])
    want = run(program, x)
    found = hold(
        reference(graph, Options()),
        program,
        as_images(program, {program.interface.input.name: x}, 0),
    )
    assert not any(row.wrong for row in found.rows), found.rows
    np.testing.assert_array_equal(Host(program, folder)(x), want)
    np.testing.assert_array_equal(simulate(program, x).output, want)
    return program


def differences(factory: pytest.TempPathFactory, examples: int, far: float = 1.0) -> None:
    folder = factory.mktemp("networks")

    @settings(max_examples=examples, deadline=None)
    @given(networks(far))
    def check(case) -> None:
        model, images = case
        _check(model, images, folder)

    check()


def ordinary_differences(factory: pytest.TempPathFactory, examples: int, most: int) -> None:
    folder = factory.mktemp("ordinary")

    @settings(max_examples=examples, deadline=None)
    @given(ordinary_networks(most=most))
    def check(case: Ordinary) -> None:
        compare(_check(load_graph(case.proto), case.images, folder))

    check()


def test_random_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 8)


def test_random_networks_of_odd_ranges(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Clamps of every kind, channels of different sizes."""
    differences(tmp_path_factory, 4, far=1000.0)


def test_random_ordinary_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    ordinary_differences(tmp_path_factory, 15, 5)


@pytest.mark.slow
def test_many_random_ordinary_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    ordinary_differences(tmp_path_factory, 400, 10)


@pytest.mark.slow
def test_many_random_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 300)
