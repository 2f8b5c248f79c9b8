"""What `n2uqc sweep` says and how it ends; what it computes is in tests/api/sweeping."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2uqc.commands.sweep import EXAMPLE
from n2uqc.models import shipped

from .conftest import Command
from .missing import without


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = shipped.path("digits_2bit")
    Path("sweep.toml").write_text(
        f'output = "out"\nmodels = ["{model}"]\ncost.target_cycles = [1, 9000]\n', encoding="utf-8"
    )


def test_the_example_is_printed_and_is_in_the_help(command: Command) -> None:
    printed = command("sweep", "--example")
    assert (printed.status, printed.out) == (0, EXAMPLE)
    assert EXAMPLE in command("sweep", "--help").out


def test_a_failed_point_is_said_and_ends_in_1(command: Command) -> None:
    done = command("sweep", "sweep.toml")
    assert done.status == 1
    assert "failed: " in done.out and "2 points: 2 computed, 0 in the store before" in done.out
    Path("sweep.toml").write_text(
        Path("sweep.toml").read_text().replace("1, ", ""), encoding="utf-8"
    )
    done = command("sweep", "sweep.toml", "-o", "out")
    assert done.status == 0 and "1 points: 0 computed, 1 in the store before" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("no.toml",), "cannot read no.toml: No such file"),
        (("sweep.toml", "--workers", "-2"), "--workers is the number of own processes"),
        (("sweep.toml", "--workers", "2", "--scheduler", "x"), "not allowed with argument"),
    ],
)
def test_requests_that_cannot_be(words: tuple[str, ...], message: str, command: Command) -> None:
    done = command("sweep", *words)
    assert done.status == 2 and message in done.err, done.err
    assert not Path("out").exists()


def test_what_is_missing_is_named() -> None:
    assert "distributed is not installed: pip install 'n2uqc[cluster]'" in without(
        "distributed", "sweep", "sweep.toml", "--workers", "2"
    )
