"""Each command beside the function of the same name, and what it prints in 80 columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2uqc
from n2uqc.commands import COMMANDS
from n2uqc.frontend.escape import json_text
from n2uqc.models import data
from n2uqc.models.training.example import EXAMPLE

from .conftest import Command

pytest.importorskip("unicorn", reason="profiles need an emulator")
pytest.importorskip("torch", reason="training needs torch")

Call = tuple[tuple[object, ...], Callable[[], Any]]


@pytest.fixture(scope="module")
def calls(
    model: Path, program: n2uqc.Program, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Call]:
    """A command line for each command, and the call that gives the same."""
    folder = tmp_path_factory.mktemp("twins")
    digits = data.digits().test
    x, labels = digits.images[:20], digits.labels[:20]
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", labels)
    np.savez(folder / "xy.npz", x=x, y=labels)
    images = ("--input", folder / "x.npy")
    recipe = write_recipe(folder)
    sweep = folder / "sweep.toml"
    sweep.write_text(f'output = "out"\nmodels = ["{model}"]\ncost.clock = [50, 100]\n')
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    net = n2uqc.compile(program, "aarch64").save(folder / "net")
    return {
        "inspect": (("inspect", model), lambda: n2uqc.inspect(model).to_json()),
        "compile": (
            ("compile", model, "-t", "fpga", "--target-cycles", 9000, "-o", folder / "fpga"),
            lambda: n2uqc.compile(model, "fpga", target_cycles=9000).manifest,
        ),
        "run": (("run", net, *images), lambda: n2uqc.run(net, x).to_json()),
        "profile": (("profile", net), lambda: n2uqc.profile(net).to_json()),
        "simulate": (
            ("simulate", model, *images, "--datapath", "--clock", 50),
            lambda: n2uqc.simulate(model, x, datapath=True, clock_hz=50e6).to_json(),
        ),
        "verify": (
            ("verify", model, *images, "--executors", "datapath", "--samples", 4),
            lambda: n2uqc.verify(
                model, images=x, executors=["datapath"], samples=4
            ).to_json(),
        ),
        "evaluate": (
            ("evaluate", model, *images, "--labels", folder / "y.npy"),
            lambda: n2uqc.evaluate(model, x, labels).to_json(),
        ),
        "cost": (
            ("cost", model, "--data", folder / "xy.npz", "--as", "uniform", "--clock", 50),
            lambda: n2uqc.cost(
                model, data=(x, labels), dresses=["uniform"], clock_hz=50e6
            ).to_json(),
        ),
        "models": (("models",), lambda: n2uqc.shipped_networks().to_json()),
        "train": (
            ("train", recipe, "--resume"),
            lambda: n2uqc.train(recipe, resume=True).to_json(),
        ),
        "sweep": (("sweep", sweep), lambda: n2uqc.sweep(sweep).to_json()),
        "convert": (
            ("convert", f"{folder}/mine.py:build", "--data", folder / "x.npy", "--epochs", 1,
             "--bits", "3,2", "--layer", "4=4", "-o", folder / "mine.onnx"),
            lambda: n2uqc.convert(
                f"{folder}/mine.py:build", folder / "mine.onnx", data=x, epochs=1, bits=(3, 2),
                layers={"4": 4},
            ).to_json(),
        ),
    }  # fmt: skip


MINE = """\
import torch
from torch import nn

def build(outputs=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(),
                         nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64, outputs))
"""
"""A float network to convert."""


def write_recipe(folder: Path) -> Path:
    """Write the recipe of a training that takes a moment, beside its data."""
    text = EXAMPLE.replace("digits.npz", "xy.npz").replace('"images"', '"x"')
    text = text.replace('"labels"', '"y"').replace("batch = 64", "batch = 8")
    text = text.replace("widths = [8, 16]", "widths = [4, 4]").replace("0.0625", "1.0")
    path = folder / "recipe.toml"
    path.write_text(re.sub("epochs = [0-9]+", "epochs = 1", text), encoding="utf-8")
    return path


ELSEWHERE = {"import_checkpoint", "completion", "study"}
"""The first has its test where checkpoints are made, the second is about the command line, the
third has its own in tests/studies."""
NAMES = [name for name in COMMANDS if name not in ELSEWHERE]


def _comparable(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values without times, and without names of files that only a command knows."""
    found: dict[str, Any] = json.loads(json_text(values))
    if name == "verify":
        found["input"].pop("source")
        for row in found["executors"]:
            row.pop("seconds")
    if name == "sweep":  # the second one computes nothing
        assert found.pop("computed") + found.pop("reused") == found["points"]
    for evidence in found.get("evidence", ()):
        evidence.pop("command")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_json_is_what_the_function_returns(
    name: str, calls: dict[str, Call], command: Command
) -> None:
    line, call = calls[name]
    done = command(*line, "--json")
    assert done.status == 0, done.err
    assert _comparable(name, json.loads(done.out)) == _comparable(name, call())


@pytest.mark.parametrize("name", NAMES)
def test_80_columns_and_a_pipe(
    name: str, calls: dict[str, Call], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, _ = calls[name]
    monkeypatch.setenv("COLUMNS", "80")
    done = command(*line)
    assert done.status == 0, done.err
    printed = [each for each in done.out.splitlines() if not each.startswith("wrote ")]
    assert printed and max(map(len, printed)) <= 80
    assert "\x1b" not in done.out + done.err
    monkeypatch.delenv("COLUMNS")
    piped = command(*line)
    heads = [each for each in piped.out.splitlines() if each and set(each) <= {"-", " "}]
    assert "more rows" not in piped.out and "wider terminal" not in piped.out
    assert len(heads) == sum(
        bool(each) and set(each) <= {"-", " "} for each in done.out.splitlines()
    )


def test_completion_as_json(command: Command) -> None:
    script = json.loads(command("completion", "bash", "--json").out)["script"]
    assert script == command("completion", "bash").out.removesuffix("\n")
    assert "--all" in script
