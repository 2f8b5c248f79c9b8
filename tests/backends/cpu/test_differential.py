"""Random programs: the host's binary gives the interpreter's integers, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from n2uqc.passes.program import run
from tests.properties.programs import programs

from .host import Host

_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


def differences(tmp_path_factory: pytest.TempPathFactory, examples: int) -> None:
    folder = tmp_path_factory.mktemp("host")

    @settings(_SETTINGS, max_examples=examples)
    @given(programs())
    def check(case) -> None:
        program, x = case
        np.testing.assert_array_equal(Host(program, folder)(x), run(program, x))

    check()


def test_random_programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 24)


@pytest.mark.slow
def test_many_random_programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    differences(tmp_path_factory, 600)
