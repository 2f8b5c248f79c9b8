"""The shipped networks as the command and the functions show them, and their recipes run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import n2uqc
from n2uqc.api import zoo
from n2uqc.models import shipped

from .conftest import Command


def test_all_are_listed_with_their_records(command: Command) -> None:
    done = command("models")
    assert done.status == 0
    for name in shipped.names():
        record = shipped.record(name)
        (line,) = (row for row in done.out.splitlines() if row.startswith(f"{name} "))
        assert f"{record['correct']} of {record['of']}" in line and record["sha256"] in line
    assert str(shipped.path("digits_2bit").parent) in done.out
    assert repr(n2uqc.shipped_networks()) == f"<ShippedNetworks: {', '.join(shipped.names())}>"


def test_one_is_copied(command: Command, tmp_path: Path) -> None:
    done = command("models", "copy", "digits_2bit", "-o", tmp_path / "net.onnx")
    assert (done.status, "net.onnx" in done.out) == (0, True)
    assert (tmp_path / "net.onnx").read_bytes() == shipped.path("digits_2bit").read_bytes()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("list", "digits_2bit"), "neither"),
        (("copy",), "needs the name"),
        (("copy", "digits_2bit"), "needs --output"),
        (("copy", "digits_9bit", "-o", "net.onnx"), "there are: digits_2bit"),
        (("reproduce",), "needs the name"),
        (("reproduce", "digits_9bit"), "there are: digits_2bit"),
    ],
)
def test_wrong_requests(
    words: tuple[str, ...],
    found: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("models", *words)
    assert (done.status != 0, found in done.err, [*tmp_path.iterdir()]) == (True, True, [])


def test_a_recipe_is_run_again(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the record, of one epoch here: the accuracy is another one, and is told."""
    pytest.importorskip("torch", reason="training needs the extra train")
    record = shipped.record("digits_2bit")
    quick = {**record, "command": f"{record['command']} --epochs 1", "epochs": 1}
    monkeypatch.setattr(zoo.shipped, "record", lambda name: quick)
    path = tmp_path / "again.onnx"
    done = command("models", "reproduce", "digits_2bit", "-o", path)
    assert done.err.count("Traceback") == 0 and "another file" in done.out
    onnx.checker.check_model(onnx.load(path))
    assert done.status == 1 and "by more than chance" in " ".join(done.out.split())
    monkeypatch.setitem(quick, "command", f"{record['command']} --epochs none")
    failed = command("models", "reproduce", "digits_2bit")
    assert failed.status != 0 and "the training failed" in failed.err


def test_what_differs_is_told() -> None:
    record: dict[str, Any] = shipped.record("digits_2bit")
    same = zoo.Reproduction("digits_2bit", record, record, None)
    assert same.identical and "the same bytes" in same.text()
    older = {**record, "sha256": "0", "versions": {**record["versions"], "torch": "2.0"}}
    other = zoo.Reproduction("digits_2bit", record, older, Path("net.onnx"))
    assert other.other_versions == {"torch": (record["versions"]["torch"], "2.0")}
    assert "wrote net.onnx" in other.text() and not other.to_json()["identical"]
    for right, compatible in ((532, True), (520, False)):
        found = {**record, "sha256": "0", "correct": right}
        text = zoo.Reproduction("digits_2bit", record, found, None).text()
        assert ("by no more than chance explains" in text) == compatible


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_network_is_reproduced(name: str, tmp_path: Path) -> None:
    found = n2uqc.reproduce(name)
    assert found.compatible
