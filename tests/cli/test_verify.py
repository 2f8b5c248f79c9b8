"""`n2uqc verify`: certificates of agreement, and a difference found."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2uqc
from n2uqc.api import executors
from n2uqc.api.against_network import render
from n2uqc.api.model import OpenedModel
from n2uqc.backends import TARGETS, ToolchainError
from n2uqc.models import shipped
from n2uqc.passes.checks.draw import drawn
from n2uqc.passes.program import run

from ..other_target import OtherTarget
from .conftest import Command


def _with(monkeypatch: pytest.MonkeyPatch, build: Callable[..., Any]) -> None:
    monkeypatch.setitem(TARGETS, "other", OtherTarget("other", "another executor", build))
    monkeypatch.setattr(executors, "USUAL", (executors.USUAL[0], "other"))


def test_one_wrong_value_is_found(
    command: Command,
    program_file: Path,
    program: n2uqc.Program,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def off_by_one(program: n2uqc.Program, folder: Path) -> object:
        def runner(x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            y = run(program, x)
            y["output"][-1, 0, 0, 3] += 1
            return y

        return runner

    _with(monkeypatch, off_by_one)
    report = tmp_path / "certificate.json"
    result = command("verify", program_file, "--input", samples, "--output", report)
    assert result.status == 1
    assert "verdict  DIFFERENT" in result.out
    [reference, other] = json.loads(report.read_text())["executors"]
    assert (reference["mismatches"], other["mismatches"]) == (0, 1)


def test_a_tool_that_is_missing_is_named_not_counted(
    command: Command, program_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(program: n2uqc.Program, folder: Path) -> object:
        raise ToolchainError("no emulator: apt install qemu-user")

    _with(monkeypatch, missing)
    result = command("verify", program_file)
    assert result.status == 0
    assert "not run: no emulator: apt install qemu-user" in result.out
    assert "verdict  IDENTICAL, without the 1 that did not run" in result.out


def test_the_certificate_names_model_and_program(
    command: Command, model: Path, samples: Path
) -> None:
    result = command("verify", model, "--input", samples, "--executors", "interpreter", "--json")
    assert result.status == 0, result.err
    certificate = json.loads(result.out)
    assert certificate["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert certificate["verdict"] == "identical"
    assert certificate["executors"][0]["values"] == 50


def test_an_unknown_executor(command: Command, program_file: Path) -> None:
    result = command("verify", program_file, "--executors", "abacus")
    assert result.status == 2
    assert "abacus" in result.err


def test_drawn_images_reach_the_corners_and_repeat(program: n2uqc.Program) -> None:
    ((name, x),) = drawn(program, 16, seed=3).items()
    kind = program.types[program.input]
    assert x.shape == (16, 8, 8, 1)
    assert (x[0] == kind.lo).all()
    assert (x[1] == kind.hi).all()
    assert x.min() == kind.lo
    assert x.max() == kind.hi
    np.testing.assert_array_equal(x, drawn(program, 16, seed=3)[name])
    assert (x != drawn(program, 16, seed=4)[name]).any()


def test_every_table_of_a_model_is_proved(
    command: Command, model: Path, program: n2uqc.Program
) -> None:
    result = command("verify", model, "--executors", "interpreter", "--json")
    assert result.status == 0, result.err
    tables = json.loads(result.out)["tables"]
    assert [t["table"] for t in tables] == [
        op.output for op in program if op.mnemonic == "thresholds"
    ]
    assert all(t["values"] > 0 and not t["mismatches"] for t in tables)


def test_a_wrong_table_is_found(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from n2uqc.commands import verify
    from n2uqc.passes.program import Constant

    def one_bound_off(program: n2uqc.Program) -> n2uqc.Program:
        op = next(op for op in program if op.mnemonic == "thresholds")
        [name] = [n for n in op.constant_names() if n.endswith("bounds")]
        bounds = program.constants[name].values.copy()
        bounds[0, 0] -= 1
        constants = {**program.constants, name: Constant.narrow(bounds)}
        return replace(program, constants=constants)

    def wrong_model(options: argparse.Namespace) -> OpenedModel:
        model = true_open(options)
        return replace(model, program=one_bound_off(model.program))

    true_open = verify.opened
    monkeypatch.setattr(verify, "opened", wrong_model)
    result = command("verify", model, "--executors", "interpreter")
    assert result.status == 1
    assert "channel 0 at " in result.out
    assert "verdict  DIFFERENT" in result.out


def test_every_processor_target_is_an_executor(command: Command, program_file: Path) -> None:
    targets = "cortex-m4,armv7"
    result = command("verify", program_file, "--target", targets, "--samples", 3, "--json")
    assert result.status == 0, result.err
    rows = json.loads(result.out)["executors"]
    assert [row["executor"] for row in rows] == ["interpreter", "cortex-m4", "armv7"]
    assert all(row["values"] == 30 and row["mismatches"] == 0 for row in rows)


@pytest.mark.parametrize("samples", [0, 99_999_999_999])
def test_a_number_of_samples_has_bounds(command: Command, program_file: Path, samples: int) -> None:
    """Memory for them was asked for before: 78 TiB."""
    result = command("verify", program_file, "--samples", samples)
    assert result.status == 2
    assert f"--samples is {samples:,}; " in result.err


def test_what_is_hardly_checked_is_said() -> None:
    """Any code would pass behind a large proven error."""
    row = {
        "tensor": "q", "what": "codes", "values": 100, "open": 51, "bound": 3.0, "spread": 1.0,
        "wrong": 0, "share": 0.1, "worst": 0.2, "origin": [], "faults": [],
    }  # fmt: skip
    output = row | {"tensor": "y", "what": "outputs", "open": 0}
    facts = {"drawn": 2, "given": 0, "left_fitted_ranges": 0, "wrong": 0}
    text = "\n".join(render(facts | {"rows": [row, output]}))
    assert "q: hardly checked: 51 of 100 codes are within the proven error, 3, of a thresh" in text
    assert "y: hardly checked: its proven error, 3, is more than its values spread by, 1;" in text
    rows = [row | {"open": 50}, output | {"bound": 1.0}]
    assert "hardly" not in "\n".join(render(facts | {"rows": rows}))


def test_no_samples(command: Command, tmp_path: Path) -> None:
    model = shipped.path("digits_2bit")
    np.save(tmp_path / "x.npy", np.zeros((0, 1, 8, 8), np.float32))
    result = command("verify", model, "--input", tmp_path / "x.npy")
    assert result.status == 2 and "no sample" in result.err
