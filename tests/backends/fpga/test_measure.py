"""The command that holds counts against synthesis, with a yosys that only pretends."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from n2uqc.backends.fpga import measure
from n2uqc.backends.fpga.engines import Engine
from n2uqc.backends.fpga.measured.records import FIELDS
from n2uqc.backends.fpga.rtl import synthesis
from n2uqc.backends.fpga.rtl.synthesis import Synthesized

ARGS = ("--seed", "5", "--kinds", "add", "clamp", "concat", "lookup", "--batch", "2")


class Yosys:
    """Makes 100 LUTs of everything, and does as it is told in one of its runs."""

    def __init__(self) -> None:
        self.engines, self.runs, self.failing = 0, 0, 0
        self.failure: Any = None

    def synthesize(self, engines: Sequence[tuple[Engine, str]], family: str) -> list[Synthesized]:
        self.runs += 1
        if self.runs == self.failing:
            self.failure()
        self.engines += len(engines)
        return [Synthesized(100, 0, 10, 0, 0, 0) for _ in engines]


@pytest.fixture
def yosys(monkeypatch: pytest.MonkeyPatch) -> Yosys:
    made = Yosys()
    monkeypatch.setattr(synthesis, "synthesize_all", made.synthesize)
    monkeypatch.setattr(synthesis, "yosys_version", lambda: "Yosys 0.70")
    return made


def table_of(text: str) -> list[str]:
    """The last table, and what follows it."""
    lines = text.splitlines()
    return lines[max(k for k, line in enumerate(lines) if line.startswith("engines ")) :]


def test_a_run_ends_in_a_table_by_kind_for_each_family(
    yosys: Yosys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure.main([*ARGS, "--family", "xc7", "ecp5"]) == 0
    said = capsys.readouterr().out
    assert said.count("engines ") >= 2 and "xc7, seed 5" in said and "ecp5, seed 5" in said
    kinds = {line[:8].strip(): line.split()[1] for line in table_of(said) if line[:1].isalpha()}
    assert kinds | {"engines": ""} == {
        "engines": "", "add": "1", "clamp": "1", "concat": "1", "lookup": "1", "all": "4",
    }  # fmt: skip
    assert yosys.engines == 8


def killed() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stopped() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("failure", [killed, stopped])
def test_a_run_that_is_stopped_prints_what_it_has_and_goes_on_from_there(
    yosys: Yosys, failure: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure.main(ARGS) == 0
    whole = table_of(capsys.readouterr().out)
    kept = str(tmp_path / "kept.csv")
    yosys.engines, yosys.failing, yosys.failure = 0, yosys.runs + 2, failure
    before = signal.getsignal(signal.SIGTERM)
    assert measure.main([*ARGS, "--keep", kept]) == 130
    assert signal.getsignal(signal.SIGTERM) == before
    said = capsys.readouterr().out
    assert "stopped" in said and any(line.split()[:2] == ["all", "2"] for line in table_of(said))
    assert measure.main([*ARGS, "--keep", kept]) == 0
    assert yosys.engines == 4  # none twice
    assert table_of(capsys.readouterr().out) == whole


def test_another_version_of_yosys_makes_other_cells(
    yosys: Yosys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = str(tmp_path / "kept.csv")
    assert measure.main([*ARGS, "--keep", kept]) == 0
    monkeypatch.setattr(synthesis, "yosys_version", lambda: "Yosys 0.71")
    assert measure.main([*ARGS, "--keep", kept]) == 0
    assert yosys.engines == 8


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        ",".join(FIELDS) + "\nxc7,add,1,,4\n",
        ",".join(FIELDS) + "\nxc7,bread,1,,4,0,1,0,0,Yosys 0.70,x\n",
        ",".join(FIELDS) + "\nxc7,add,1,,4,0,1,0,none,Yosys 0.70,x\n",
    ],
)
def test_a_file_of_something_else_is_refused_and_kept(
    yosys: Yosys, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text(text)
    assert measure.main([*ARGS, "--keep", str(kept)]) == 2
    assert "does not hold measured engines" in capsys.readouterr().out
    assert kept.read_text() == text and not yosys.runs


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--batch", "-1"), ("--seed", "-3")])
def test_numbers_that_mean_nothing_are_refused(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stop:
        measure.main(wrong)
    assert stop.value.code == 2


def test_recorded_engines_need_no_synthesis(
    yosys: Yosys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure.main(["--recorded", "--family", "gowin"]) == 0
    assert "nothing" in capsys.readouterr().out and not yosys.runs
