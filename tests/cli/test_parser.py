"""What the command line answers to words it does not know, to none, and what --quiet leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from n2uqc.commands import COMMANDS

from .conftest import Command


def test_without_arguments_it_explains_itself(command: Command) -> None:
    result = command()
    assert result.status == 0
    assert result.out == command("--help").out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("inpsect", "m.onnx"), "did you mean inspect?"),
        (("inspect", "m.onnx", "--jsn"), "--jsn: did you mean --json?"),
        (("cost", "m.onnx", "--tecnology=xc7"), "--tecnology: did you mean --technology?"),
        (("completion", "bsh"), "did you mean bash or zsh?"),
    ],
)
def test_the_nearest_words_are_named(
    arguments: tuple[str, ...], hint: str, command: Command
) -> None:
    result = command(*arguments)
    assert result.status == 2
    assert hint in result.err
    assert "--help` explains" in result.err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("inspect", ""), "MODEL"),
        (("compile", "m.onnx", "--target", "", "-o", "out"), "--target/-t"),
        (("compile", "m.onnx", "--target", "aarch64", "--mcpu=", "-o", "out"), "--mcpu"),
        (("compile", "m.onnx", "--target", "host", "-o", ""), "--output/-o"),
        (("verify", "m.onnx", "--precision", ""), "--precision"),
        (("cost", "a.onnx", "", "b.onnx"), "MODEL"),
        (("cost", "a.onnx", "--html", ""), "--html"),
    ],
)
def test_an_empty_value_is_no_default(
    arguments: tuple[str, ...], name: str, command: Command
) -> None:
    """A script whose variable is unset must not get another processor than it meant."""
    result = command(*arguments)
    assert result.status == 2
    assert f"argument {name}: its value is empty" in result.err


@pytest.mark.parametrize("place", [".", "/", "folder"])
def test_a_page_is_no_folder(
    place: str,
    command: Command,
    program_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    result = command("cost", program_file, "--html", place)
    assert result.status == 2
    assert "it is a folder, a file is wanted" in result.err


def test_unknown_words_cannot_move_the_cursor(command: Command) -> None:
    result = command("inspect", "m.onnx", "--js\x1b[2Kn")
    assert result.status == 2
    assert "\x1b" not in result.err
    assert "\\u001b" in result.err


def test_quiet_leaves_errors_and_json(command: Command, program_file: Path) -> None:
    for arguments in (("-q", "inspect"), ("inspect", "--quiet")):
        result = command(*arguments, program_file)
        assert (result.status, result.out, result.err) == (0, "", "")
    shown = command("inspect", program_file, "--json", "--quiet")
    assert json.loads(shown.out) == json.loads(command("inspect", program_file, "--json").out)
    missing = command("inspect", "missing.onnx", "-q")
    assert missing.status == 2
    assert "missing.onnx" in missing.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_each_command(shell: str, command: Command, tmp_path: Path) -> None:
    script = command("completion", shell).out
    assert all(name.replace("_", "-") in script for name in COMMANDS)
    if shell == "bash" and (bash := shutil.which("bash")) is not None:
        (path := tmp_path / "n2uqc.bash").write_text(script, encoding="utf-8")
        lines = f'''source {path}
            COMP_WORDS=(n2uqc ver) COMP_CWORD=1
            "$(complete -p n2uqc | sed "s/.*-F \\([^ ]*\\).*/\\1/")" n2uqc ver n2uqc
            echo "${{COMPREPLY[@]}}"'''
        done = subprocess.run([bash, "-c", lines], capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["verify"], done


def test_a_program_leaves_torch_out() -> None:
    """TVM would import it where it is installed: a third of the time of a small compilation."""
    script = (
        "import sys\n"
        "from n2uqc import cli\n"
        "status = cli.main()\n"
        "import tvm\n"
        "print([name for name in sys.modules if name.startswith('torch.')])\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("columns", ["1", "2", "7", "-3", "x"])
def test_any_width_of_the_terminal(
    columns: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert command("--version").status == 0
    assert "compile" in command("--help").out
