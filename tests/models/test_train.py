"""The training command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from n2uqc.models import train
from n2uqc.models.data import Digits, Split, digits
from n2uqc.models.fit import SHIFT, _shifted, fit
from n2uqc.models.networks import ResidualNetwork

FAST = ["--epochs", "1"]


def test_the_seed_fixes_every_byte(tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert train.main([*FAST, "--seed", "5", "--output", str(tmp_path / f"{name}.onnx")]) == 0
    assert train.main([*FAST, "--seed", "6", "--output", str(tmp_path / "other.onnx")]) == 0
    first, second, other = (
        (tmp_path / f"{name}.onnx").read_bytes() for name in ("first", "second", "other")
    )
    assert first == second != other
    record = json.loads((tmp_path / "first.json").read_text())
    assert (record["bits"], record["seed"], record["of"]) == (2, 5, 540)
    assert record["command"].endswith(f"--seed 5 --output {tmp_path / 'first.onnx'}")
    assert record["macs_per_image"] == 533_824
    assert {"torch", "numpy", "scikit-learn", "onnxruntime", "python"} == set(record["versions"])
    # Nothing but the two files of each run is left.
    assert len(list(tmp_path.iterdir())) == 6


def test_the_float_network_alone(tmp_path: Path) -> None:
    file = tmp_path / "float.onnx"
    assert train.main(["--epochs", "2", "--float", "--output", str(file)]) == 0
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["bits"] is None and record["correct"] == record["float_correct"] > 270


def test_held_back_images_do_not_reach_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files trained with the true and with spoilt held-back images are the same."""
    assert train.main([*FAST, "--output", str(tmp_path / "true.onnx")]) == 0
    real = digits()
    blank = Split(np.zeros_like(real.test.images), np.zeros_like(real.test.labels))
    monkeypatch.setattr(train, "digits", lambda: Digits(real.train, blank))
    assert train.main([*FAST, "--output", str(tmp_path / "spoilt.onnx")]) == 0
    assert (tmp_path / "true.onnx").read_bytes() == (tmp_path / "spoilt.onnx").read_bytes()


def test_validation_reports_on_training_images_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = digits()
    poison = Split(np.full_like(real.test.images, np.nan), real.test.labels)
    monkeypatch.setattr(train, "digits", lambda: Digits(real.train, poison))
    file = tmp_path / "trial.onnx"
    assert train.main([*FAST, "--float", "--validate", "--output", str(file)]) == 0
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["of"] == 252 and record["validate"] is True


def test_an_export_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(_: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ones((len(images), 10), np.float32)

    monkeypatch.setattr(train, "run_onnx", wrong)
    assert train.main([*FAST, "--float", "--output", str(tmp_path / "a.onnx")]) == 1
    assert "not written" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_an_interrupt_ends_without_traceback_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", interrupted)
    assert train.main(["--output", str(tmp_path / "a.onnx")]) == 130
    assert "nothing written" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bits", "5"], "--bits"),
        (["--bits", "2", "--float"], "not allowed with"),
        (["--epochs", "0"], "not a whole number of 1 or more"),
        (["--seed", "-1"], "not a whole number of 0 or more"),
        (["--output", "x.pt"], "must end in .onnx"),
        (["--output", "no/such/place/x.onnx"], "there is no directory"),
    ],
)
def test_bad_arguments_are_explained(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        train.main(["--output", "x.onnx", *words])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_shifted_images_are_the_image_moved() -> None:
    images = torch.rand(200, 1, 8, 8)
    moved = _shifted(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4)
    seen = set()
    for image, wide in zip(moved, padded, strict=True):
        offsets = [
            (r, c)
            for r in range(2 * SHIFT + 1)
            for c in range(2 * SHIFT + 1)
            if torch.equal(image, wide[:, r : r + 8, c : c + 8])
        ]
        assert len(offsets) == 1
        seen.update(offsets)
    assert len(seen) == (2 * SHIFT + 1) ** 2


def test_training_lowers_the_loss_and_moves_the_thresholds() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(2)
    before = {name: value.clone() for name, value in network.named_parameters()}
    losses: list[float] = []
    fit(network, digits().train, 3, 2e-3, 0, losses.append)
    assert len(losses) == 3 and losses[2] < 0.8 * losses[0]
    assert not network.training
    learned = ("start", "a", "scale1", "scale2")
    for name, value in network.named_parameters():
        if not value.requires_grad:
            assert torch.equal(value, before[name]), name
        elif name.endswith(tuple(f".{last}" for last in learned)):
            assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize("missing", ["torch", "onnxruntime", "sklearn.model_selection"])
def test_a_missing_package_is_named_with_its_extra(missing: str) -> None:
    hide_and_run = (
        f"import runpy, sys; sys.modules[{missing!r}] = None\n"  # makes its import fail
        "runpy.run_module('n2uqc.models.train', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", hide_and_run], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"training needs {missing}, which is not installed: pip install 'n2uqc[train]'\n"
    )
