"""Properties of programs themselves: ranges hold, text and file round-trip without loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from n2uqc.passes.program import Program, dump, load, parse, run, save, trace, verify

from .programs import programs
from .spec import Machine


def interpreter_equals_spec(case: tuple[Program, np.ndarray]) -> None:
    program, x = case
    values, machine = trace(program, x), Machine(program)
    for n, sample in enumerate(x[:2]):
        for name, cells in machine.run(sample).items():
            assert all(values[name][n][p] == v for p, v in cells.items()), name


@settings(max_examples=15, deadline=None)
@given(programs())
def test_interpreter_equals_the_specification(case) -> None:
    """Every tensor of random programs, against SPEC.md in plain Python integers."""
    interpreter_equals_spec(case)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_interpreter_equals_the_specification_on_thousands(case) -> None:
    interpreter_equals_spec(case)


@settings(max_examples=150, deadline=None)
@given(programs())
def test_text_and_ranges(case) -> None:
    program, x = case
    text = dump(program)
    again = parse(text)
    verify(again)
    assert dump(again) == text
    assert (run(again, x) == run(program, x)).all()  # steps() checks every proven range


def test_file_round_trip(tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("store") / "p.n2uq"

    @settings(max_examples=60, deadline=None)
    @given(programs())
    def check(case) -> None:
        program, _ = case
        save(program, path)
        first = path.read_bytes()
        assert dump(load(path)) == dump(program)
        save(load(path), path)
        assert path.read_bytes() == first

    check()
