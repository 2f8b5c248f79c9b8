"""The demonstration: every executor agrees, every file it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc import demo
from n2uqc.api import executors
from n2uqc.backends.saved_program import PROGRAM
from n2uqc.passes.program import run

from ..other_target import OtherTarget


def test_every_executor_agrees_and_every_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    assert demo.main(["--output", str(folder), "--images", "20"]) == 0
    text = capsys.readouterr().out
    assert len(re.findall(r"20 of 20", text)) == 4
    assert "All executors gave the same integers" in text
    assert "float network of the same shape" in text
    assert len(text.splitlines()) <= 40
    for path in folder.iterdir():
        assert str(path) in text
    for name in ("aarch64", "host", "cost.html", "digits_2bit.n2uq"):
        assert (folder / name).exists()


def test_a_difference_fails_the_demonstration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_one(program: n2uqc.Program, folder: Path) -> object:
        def runner(x: np.ndarray) -> np.ndarray:
            y = run(program, x)
            y[0] += 1
            return y

        return runner

    both = (PROGRAM, OtherTarget("off", "off by one", off_by_one))
    monkeypatch.setattr(demo, "run_all", lambda *a, **k: executors.run_all(*a, targets=both, **k))
    assert demo.main(["--output", str(tmp_path / "demo"), "--images", "3"]) == 1
    text = capsys.readouterr().out
    assert "2 of 3" in text
    assert "The executors differ" in text
    assert "All executors gave" not in text


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert demo.main(["--output", str(tmp_path / "file" / "demo")]) == 2
    assert "n2uqc: error: " in capsys.readouterr().err
