"""`n2uqc verify PROGRAM --against MODEL`: whatever is changed in a saved program is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.models import shipped
from n2uqc.passes.program import Thresholds, load, save

from .conftest import Command

Change = Callable[[n2uqc.Program], str]
"""The name of the constant of a program that is changed."""


def _table(program: n2uqc.Program) -> str:
    return next(str(op.bounds) for op in program if isinstance(op, Thresholds))


def _changed(program: n2uqc.Program, name: str) -> n2uqc.Program:
    """Its greatest number less by one step: no proven range is left, rows stay in order."""
    constant = program.constants[name]
    values = constant.values.copy()
    step = 2 if constant.encoding == "odd" else 1
    values[np.unravel_index(values.argmax(), values.shape)] -= step
    if values.ndim == 2:
        values.sort(axis=1)
    changed = replace(constant, values=values)
    return replace(program, constants={**program.constants, name: changed})


def test_a_saved_program_is_that_networks(
    command: Command, model: Path, program_file: Path
) -> None:
    result = command("verify", program_file, "--against", model, "--executors", "interpreter")
    assert result.status == 0, result.err
    assert "0 mismatches" in result.out and "no differences" in result.out


@pytest.mark.parametrize(
    "which",
    [
        _table,
        lambda p: "fc.weight.fixed",
        lambda p: next(
            n for n, c in p.constants.items() if c.encoding == "odd" and c.values.ndim == 4
        ),
    ],
)
def test_one_changed_number_is_found(
    command: Command, model: Path, program_file: Path, tmp_path: Path, which: Change
) -> None:
    program, path = load(program_file), tmp_path / "changed.n2uq"
    name = which(program)
    save(_changed(program, name), path)
    result = command("verify", path, "--against", model, "--executors", "interpreter", "--json")
    assert result.status == 1
    certificate = json.loads(result.out)
    assert certificate["verdict"] == "different"
    assert any(d.startswith(f"@{name}: 1 values") for d in certificate["recompiled"]["differences"])
    if which is _table:
        assert sum(len(t["mismatches"]) for t in certificate["tables"]) == 1


def test_another_network_and_misuse(
    command: Command, model: Path, program_file: Path, samples: Path
) -> None:
    result = command("verify", model, "--against", model)
    assert result.status == 2 and "--against takes the ONNX model of a saved program" in result.err
    result = command(
        "verify", program_file, "--against", model, "--input", samples, "--executors", "interpreter"
    )
    assert result.status == 0 and "of the codes differ" in result.out, result.err


def test_a_program_whose_codes_are_not_the_networks(
    command: Command, model: Path, program_file: Path, tmp_path: Path
) -> None:
    """Evaluating the network finds by itself what comparing with a new compilation finds."""
    program, path = load(program_file), tmp_path / "changed.n2uq"
    name = _table(program)
    bounds = program.constants[name]
    shifted = replace(bounds, values=bounds.values // 2)
    save(replace(program, constants={**program.constants, name: shifted}), path)
    result = command("verify", path, "--against", model, "--executors", "interpreter")
    assert result.status == 1
    assert "codes wrong\n    image" in result.out
    # No slope between the stream and this quantizer is steeper than 1.
    assert f"(proven error {float(program.int_type('relu').error):.3g})" in result.out
    command("verify", path, "--against", model, "--executors", "interpreter", "-o", tmp_path / "c")
    network = json.loads((tmp_path / "c").read_text())["network"]
    [row] = [row for row in network["rows"] if row["wrong"]]
    assert row["tensor"] == "layer1.0.quan1" and row["wrong"] == network["wrong"] > 100


def test_a_program_of_another_network(command: Command, program_file: Path) -> None:
    other = shipped.path("digits_3bit")
    result = command("verify", program_file, "--against", other, "--executors", "interpreter")
    assert result.status == 1 and "outputs wrong" in result.out
