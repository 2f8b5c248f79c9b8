"""Instruction record: what counts as growth, and every recorded figure on demand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import instructions

pytest.importorskip("unicorn")


def test_growth_beyond_one_percent_is_told() -> None:
    recorded = {"a": {"same": 1000, "more": 1000, "much": 1000, "less": 1000, "gone": 5}}
    counted = {"a": {"same": 1000, "more": 1010, "much": 1011, "less": 900, "new": 7}}
    verdicts = {row["case"]: row["verdict"] for row in instructions.compare(counted, recorded)}
    assert verdicts == {
        "same": "",
        "more": "",
        "much": "grew",
        "less": "shrank",
        "gone": "no longer counted",
        "new": "not recorded",
    }
    assert {row["verdict"] for row in instructions.compare(counted, {})} == {"not recorded"}


def test_a_record_is_written_and_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(instructions, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(instructions, "TARGETS", {"aarch64": {"head": instructions.CASES["head"]}})
    assert instructions.main(["--targets", "aarch64"]) == 1
    assert "not recorded" in capsys.readouterr().out
    assert instructions.main(["--targets", "aarch64", "--update"]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert instructions.main(["--targets", "aarch64"]) == 0
    record["aarch64"]["head"] = record["aarch64"]["head"] * 100 // 102
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert instructions.main(["--targets", "aarch64"]) == 1
    assert "grew" in capsys.readouterr().out


def test_the_record_covers_every_case() -> None:
    record = json.loads(instructions.RECORD.read_text())
    assert {target: set(counts) for target, counts in record.items()} == {
        target: set(cases) for target, cases in instructions.TARGETS.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("target", instructions.TARGETS)
def test_nothing_grew(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = instructions.main(["--targets", target])
    assert status == 0, capsys.readouterr().out
