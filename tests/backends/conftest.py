"""One saved artifact of each processor target, built once for all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.passes.program import Program

from .cpu.networks import residual_network


@pytest.fixture(scope="session")
def network() -> Program:
    return residual_network()


@pytest.fixture(scope="session")
def samples(network: Program) -> np.ndarray:
    """Integers over the input's whole range, both corners among them."""
    kind = network.types[network.input]
    x = np.random.default_rng(0).integers(kind.lo, kind.hi + 1, (7, *kind.shape))
    x[0], x[1] = kind.lo, kind.hi
    return x


@pytest.fixture(scope="session")
def host_artifact(network: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(network, "host").save(tmp_path_factory.mktemp("host") / "net")


@pytest.fixture(scope="session")
def aarch64_artifact(network: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(network, "aarch64").save(tmp_path_factory.mktemp("aarch64") / "net")
