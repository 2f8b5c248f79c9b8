"""Output that nobody reads, that is full, closed, or of a poor encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LISTS = ("compile", "--target", "help")


def _inspect(model: Path) -> tuple[str, ...]:
    return "inspect", str(model)


def _shell(line: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in which "$@" stands for the command."""
    return subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            line,
            "n2uqc",
            sys.executable,
            "-m",
            "n2uqc",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("what", ["list", "table"])
def test_a_reader_that_leaves_is_no_error(what: str, buffered: str, model: Path) -> None:
    arguments = LISTS if what == "list" else _inspect(model)
    done = _shell('"$@" | head -1', *arguments, PYTHONUNBUFFERED=buffered)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_a_reader_of_errors_that_leaves_does_not_change_the_status(model: Path) -> None:
    done = _shell(
        '{ "$@"; echo $? >&3; } 3>&2 2>&1 | head -1',
        "compile",
        str(model),
        "--target",
        "nothing",
        "-o",
        "out",
    )
    assert done.stderr == "2\n"
    assert "there is no target" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_is_one_message(buffered: str, model: Path) -> None:
    for arguments in (LISTS, _inspect(model)):
        done = _shell('"$@" > /dev/full', *arguments, PYTHONUNBUFFERED=buffered)
        assert done.returncode == 2
        assert done.stderr.startswith("n2uqc: error: No space left on device: that of standard out")
        assert done.stderr.count("\n") == 1


def test_closed_streams_are_silence(model: Path) -> None:
    assert _shell('"$@" >&-', *_inspect(model)).returncode == 0
    done = _shell('"$@" 2>&-', "inspect", "nowhere.onnx")
    assert (done.returncode, done.stdout) == (2, "")


def test_characters_that_the_encoding_lacks_are_escaped(model: Path) -> None:
    done = _shell('"$@"', *_inspect(model), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("input input batch\\xd71\\xd78\\xd78")
    done.stdout.encode("ascii")


def test_no_control_codes_without_a_terminal(model: Path) -> None:
    done = _shell('"$@"', "verify", str(model), "--executors", "interpreter", "--samples", "4")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and "\x1b" not in done.stdout
