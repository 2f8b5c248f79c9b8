"""What the command line does with errors it does and does not expect."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from n2uqc.commands import COMMANDS, simulate

from .conftest import Command


def _raise(error: BaseException) -> None:
    raise error


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    monkeypatch.setattr(simulate, "run", lambda options: _raise(error))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "there"),
        OSError(28, "No space left on device", "y"),
    ],
)
def test_the_operating_systems_errors_are_the_users(
    error: OSError, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, error)
    result = command("simulate", "m.onnx", "--input", "x.npy")
    assert result.status == 2
    assert result.err == f"n2uqc: error: {error.filename}: {error.strerror}\n"


def test_what_is_nested_too_deeply_is_the_inputs_fault(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(depth: int) -> int:
        return endless(depth + 1)

    monkeypatch.setattr(simulate, "run", lambda options: endless(0))
    result = command("simulate", "m.onnx", "--input", "x.npy")
    assert result.status == 2
    assert result.err.startswith("n2uqc: error: something in the input is nested too deeply")
    assert "Traceback" not in result.err


def test_a_fault_of_the_compiler_says_so_without_a_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, AssertionError("%x took [0, 9], proven u3"))
    result = command("simulate", "m.onnx", "--input", "x.npy")
    assert result.status == 3
    assert "internal error: AssertionError: %x took [0, 9]" in result.err
    assert "Traceback" not in result.err


def test_developers_can_see_the_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, AssertionError("no"))
    for arguments in (("--traceback", "simulate"), ("simulate", "--traceback")):
        result = command(*arguments, "m.onnx", "--input", "x.npy")
        assert result.status == 3
        assert "Traceback" in result.err


def test_a_missing_package_names_the_extra_that_brings_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib"))
    result = command("simulate", "m.onnx", "--input", "x.npy")
    assert result.status == 2
    assert "pip install 'n2uqc[report]'" in result.err


def test_an_interrupt_is_no_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(monkeypatch, KeyboardInterrupt())
    result = command("simulate", "m.onnx", "--input", "x.npy")
    assert result.status == 130
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str, command: Command) -> None:
    shown = name.replace("_", "-")
    result = command(shown, "--help")
    assert result.status == 0
    assert f"n2uqc {shown}" in result.out
    assert "examples:" in result.out


def test_the_version(command: Command) -> None:
    import n2uqc

    assert command("--version").out == f"n2uqc {n2uqc.__version__}\n"


def test_outputs_survive_a_failed_write(
    command: Command,
    program_file: Path,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os

    y = tmp_path / "y.npy"
    y.write_bytes(b"older")
    monkeypatch.setattr(os, "replace", lambda *_: _raise(OSError(28, "No space left on device")))
    result = command("simulate", program_file, "--input", samples, "--output", y)
    assert result.status == 2
    assert "No space left on device" in result.err
    assert y.read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy", "y.npy"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_process_that_is_ended_tidies_up(name: str, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, tempfile, time\n"
        "from n2uqc import cli\n"
        "from n2uqc.commands import simulate\n"
        "def run(options):\n"
        "    with tempfile.TemporaryDirectory(dir=sys.argv[-1]):\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "        time.sleep(60)\n"
        "simulate.run = run\n"
        "sys.exit(cli.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "simulate", "m.onnx", "--input", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.Signals[name], "", "")
    assert not list(tmp_path.iterdir())
