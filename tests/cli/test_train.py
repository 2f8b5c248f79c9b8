"""What `n2uqc train` says before it trains; whole trainings are in tests/models/training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.models.training.example import EXAMPLE

from .conftest import Command
from .missing import without

pytest.importorskip("torch", reason="training needs torch")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 17, (40, 1, 8, 8), np.uint8)
    np.savez("digits.npz", images=images, labels=np.arange(40) % 10)
    Path("recipe.toml").write_text(EXAMPLE, encoding="utf-8")


def test_the_example_is_printed_and_is_in_the_help(command: Command) -> None:
    printed = command("train", "--example")
    assert (printed.status, printed.out) == (0, EXAMPLE)
    assert EXAMPLE in command("train", "--help").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("no.toml",), "cannot read no.toml: No such file"),
        (("recipe.toml", "--device", "tpu"), "--device tpu: there are cpu, cuda and cuda:N"),
        (("recipe.toml", "--device", "cuda:99"), "--device cuda:99: torch finds "),
        (("recipe.toml", "--executor", "interpretr"), "interpretr"),
        (("recipe.toml", "--output", "digits.npz"), "cannot write digits.npz: it is a file"),
        (("recipe.toml", "--resmue"), "did you mean --resume?"),
    ],
)
def test_requests_that_cannot_be(words: tuple[str, ...], message: str, command: Command) -> None:
    done = command("train", *words)
    assert done.status == 2 and message in done.err, done.err
    assert not Path("out").exists()


def test_a_wrong_recipe_is_one_message(command: Command) -> None:
    text = EXAMPLE.replace("rate = 0.002", 'rate = "fast"').replace("[augment]", "[augments]")
    Path("recipe.toml").write_text(text, encoding="utf-8")
    done = command("train", "recipe.toml")
    assert done.status == 2
    assert "recipe.toml: schedule.rate: 'fast'; it is a number" in done.err
    assert "recipe.toml: augments: no such key; did you mean augment?" in done.err
    with pytest.raises(n2uqc.UserError, match="did you mean augment"):
        n2uqc.train("recipe.toml")


@pytest.mark.parametrize(
    ("missing", "install"),
    [
        ("torch", "'n2uqc[train]'"),
        ("onnxruntime", "'n2uqc[demo]'"),
        ("tensorboard", "'n2uqc[tensorboard]'"),
    ],
)
def test_what_is_missing_is_named(missing: str, install: str) -> None:
    if missing == "tensorboard":
        Path("recipe.toml").write_text("tensorboard = true\n" + EXAMPLE, encoding="utf-8")
    assert f"{missing} is not installed: pip install {install}" in without(
        missing, "train", "recipe.toml"
    )
    assert not Path("out/digits/checkpoint.pt").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is no dependency"
)
def test_a_log_for_tensorboard(command: Command) -> None:
    text = EXAMPLE.replace("epochs = 20", "epochs = 1").replace("epochs = 40", "epochs = 1")
    Path("recipe.toml").write_text("tensorboard = true\n" + text, encoding="utf-8")
    assert command("train", "recipe.toml").status == 0
    assert len(list(Path("out/digits/tensorboard").glob("events.*"))) == 1
