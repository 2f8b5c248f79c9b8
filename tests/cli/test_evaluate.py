"""Accuracy on any executor, beside the float network, without holding all images in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from n2uqc import Program
from n2uqc.api.evaluate import interval
from n2uqc.models import data
from n2uqc.passes.program import quantize_input, real_output
from n2uqc.passes.program import run as run_program

from .conftest import Command


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("digits")
    held_back = data.digits().test
    np.save(folder / "x.npy", held_back.images)
    np.save(folder / "y.npy", held_back.labels)
    return folder / "x.npy", folder / "y.npy"


@pytest.mark.parametrize("executor", ["interpreter", "host"])
def test_counts_equal_those_of_the_outputs(
    executor: str, command: Command, model: Path, program: Program, digits: tuple[Path, Path]
) -> None:
    x, y = map(np.load, digits)
    scores = real_output(program, run_program(program, quantize_input(program, x)))
    found = scores.argmax(axis=1)
    result = command(
        "evaluate", model, "-i", digits[0], "-l", digits[1], "--executor", executor, "--json"
    )
    report = json.loads(result.out)
    assert (result.status, report["executor"]) == (0, executor)
    assert report["right"] == int((found == y).sum()) == sum(np.diag(report["confusion"]))
    for label, row in enumerate(report["confusion"]):
        assert row == [int(((y == label) & (found == k)).sum()) for k in range(10)]
    pytest.importorskip("onnxruntime")
    assert report["float"]["agreement"] > 0.99
    assert report["float"]["accuracy"] > 0.95


def test_the_table(command: Command, program_file: Path, digits: tuple[Path, Path]) -> None:
    result = command("evaluate", program_file, "--input", digits[0], "--labels", digits[1])
    assert result.status == 0
    assert "of 540 right by interpreter" in result.out
    assert "float network" not in result.out  # a saved program has none


def test_the_float_network_is_given_no_raw_pixels(
    command: Command, model: Path, tmp_path: Path
) -> None:
    """It takes normalized images: its accuracy on bytes would be that of something else."""
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 8, 8), np.uint8))
    np.save(tmp_path / "y.npy", np.zeros(3, np.int64))
    paths = ("--input", tmp_path / "x.npy", "--labels", tmp_path / "y.npy")
    result = command("evaluate", model, *paths, "--pixels", "1/255", "--json")
    assert result.status == 0
    assert json.loads(result.out)["float"] == {"not_run": "the images are raw pixels"}


def test_intervals_of_proportions() -> None:
    """Wilson's: 10 of 10 is no certainty; values of R's prop.test(correct = FALSE)."""
    assert interval(10, 10) == pytest.approx((0.7224672, 1.0), abs=1e-6)
    assert interval(50, 100) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)
    assert interval(0, 7)[0] == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(3, np.int64), "5 images and 3 labels"),
        (np.zeros(5, np.float32), "integer"),
        (np.full(5, 10), "labels reach from 10 to 10"),
        (np.full(5, -1), "labels reach from -1 to -1"),
    ],
)
def test_wrong_labels(
    labels: np.ndarray, message: str, command: Command, model: Path, samples: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "y.npy", labels)
    result = command("evaluate", model, "--input", samples, "--labels", tmp_path / "y.npy")
    assert result.status == 2
    assert message in result.err


def test_a_cut_off_file_is_refused(command: Command, model: Path, samples: Path) -> None:
    samples.write_bytes(samples.read_bytes()[:-40])
    result = command("evaluate", model, "--input", samples, "--labels", samples)
    assert result.status == 2
    assert "cut off" in result.err
