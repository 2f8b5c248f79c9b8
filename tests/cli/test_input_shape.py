"""--input-shape: a network exported with dynamic height and width, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import n2uqc
from n2uqc.models import data, shipped

from .conftest import Command

SIZE = ("--input-shape", "1,8,8")


@pytest.fixture
def open_model(tmp_path: Path) -> Path:
    """The shipped network, which says nothing of its input's height and width."""
    model = onnx.load(shipped.path("digits_2bit"))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims[1:]] == [1, 8, 8]
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    del model.graph.value_info[:]
    path = tmp_path / "open.onnx"
    onnx.save(model, path)
    return path


def test_every_command_takes_it(command: Command, open_model: Path, tmp_path: Path) -> None:
    shown = command("inspect", open_model, *SIZE, "--json")
    assert shown.status == 0 and json.loads(shown.out)["input_shape"][1:] == [1, 8, 8]
    x = data.digits().test.images[:8]
    images, out, saved = tmp_path / "x.npy", tmp_path / "y.npy", tmp_path / "p.n2uq"
    np.save(images, x)
    assert command("simulate", open_model, *SIZE, "-i", images, "-o", out).status == 0
    want = n2uqc.load(shipped.path("digits_2bit"))(x)
    np.testing.assert_array_equal(np.load(out), want)
    np.testing.assert_array_equal(n2uqc.load(open_model, input_shape=(1, 8, 8))(x), want)
    built = command("compile", open_model, *SIZE, "--target", "program", "-o", saved)
    assert built.status == 0, built.err
    only = ("--executors", "interpreter", "--input", images, "--json")
    for checked in (
        command("verify", open_model, *SIZE, *only),
        command("verify", saved, "--against", open_model, *only),
    ):
        assert checked.status == 0, checked.err
        report = json.loads(checked.out)
        assert report["verdict"] == "identical" and report["tables"]
        assert report["exact_arithmetic"]["flip_rate"] == 0
    assert report["recompiled"] == {"differences": []}


def test_the_search_takes_it(command: Command, open_model: Path, tmp_path: Path) -> None:
    calib = tmp_path / "c.npy"
    np.save(calib, data.digits().train.images[:4])
    result = command(
        "compile",
        open_model,
        *SIZE,
        "--target",
        "program",
        "-o",
        tmp_path / "p.n2uq",
        "--precision",
        "auto",
        "--calib",
        calib,
    )
    assert result.status == 0, result.err


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((), "--input-shape"),
        (("--input-shape", "3,8,8"), "the shape given is 3,8,8"),
        (("--input-shape", "8"), "the shape given is 8"),
        (("--input-shape", "1,8,-8"), "is not a list of sizes"),
        (("--input-shape", ""), "its value is empty"),
    ],
)
def test_wrong_sizes(command: Command, open_model: Path, size: tuple[str, ...], words: str) -> None:
    result = command("inspect", open_model, *size)
    assert result.status == 2 and words in result.err and "Traceback" not in result.err


def test_a_saved_program_has_its_shape(command: Command, program_file: Path) -> None:
    for name in ("inspect", "verify"):
        result = command(name, program_file, *SIZE)
        assert result.status == 2 and "saved program" in result.err
