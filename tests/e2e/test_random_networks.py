"""Random small networks through the whole house: passes, interpreter, host build, datapath.

Bits 1 to 4, gammas and slopes of both signs and zero, residual and plain blocks, uneven levels.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from n2uqc.backends.fpga import simulate
from n2uqc.passes import compile_graph
from n2uqc.passes.program import IntType, quantize_input, run

from ..backends.cpu.host import Host
from ..properties.networks import networks


def differences(factory: pytest.TempPathFactory, examples: int) -> None:
    folder = factory.mktemp("networks")

    @settings(max_examples=examples, deadline=None)
    @given(networks())
    def check(case) -> None:
        model, images = case
        program = compile_graph(model)
        kind = program.types[program.input]
        assert isinstance(kind, IntType)
        corners = np.stack([np.full(kind.shape, v, np.int64) for v in (kind.lo, kind.hi)])
        x = np.concatenate([quantize_input(program, images), corners])
        want = run(program, x)
        np.testing.assert_array_equal(Host(program, folder)(x), want)
        np.testing.assert_array_equal(simulate(program, x).output, want)

    check()


def test_random_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 15)


@pytest.mark.slow
def test_many_random_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 300)
