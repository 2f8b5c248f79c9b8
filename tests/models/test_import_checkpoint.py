"""The command `n2uqc import-checkpoint`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import n2uqc
from n2uqc import cli
from n2uqc.models.architectures import Variant, architectures
from n2uqc.models.export import run_onnx
from n2uqc.models.randomize import randomize, settle

SMALL_IMAGE = (32, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint of a full-size network in net.pth.tar."""
    folder = tmp_path_factory.mktemp("checkpoint")
    network = architectures["resnet18"].build(Variant(2, "quantized"))
    randomize(network, 0)
    settle(network, torch.randn(2, 3, *SMALL_IMAGE), 0)
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    best = torch.tensor(69.5)
    torch.save({"epoch": 119, "state_dict": state, "best_top1_acc": best}, folder / "net.pth.tar")
    return folder


def command(*options: object) -> int:
    try:
        return cli.main(["import-checkpoint", *map(str, options)])
    except SystemExit as leaving:  # argparse leaves this way
        return int(leaving.code or 0)


def test_the_function_does_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, source = folder / "same.onnx", folder / "net.pth.tar"
    assert command(*RIGHT, source, "-o", output, "--json") == 0
    told, written = json.loads(capsys.readouterr().out), output.read_bytes()
    found = n2uqc.import_checkpoint(
        source,
        output,
        architecture="resnet18",
        bits=2,
        quantize_downsample=True,
        image=SMALL_IMAGE,
    )
    assert found.to_json() | {"image": list(SMALL_IMAGE)} == told
    assert output.read_bytes() == written and len(repr(found)) < 300


RIGHT = ("--arch", "resnet18", "--bits", 2, "--quantize-downsample", "--image", "32,40")


def test_it_writes_the_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "net.onnx"
    assert command(*RIGHT, folder / "net.pth.tar", "-o", output) == 0
    printed = capsys.readouterr().out
    assert "403 tensors" in printed and "prefix module. removed" in printed
    assert "epoch 119" in printed and "best_top1_acc 69.5" in printed
    assert f"wrote {output}: 2-bit resnet18, images of 3 x 32 x 40, 1000 classes" in printed

    network = architectures["resnet18"].build(Variant(2, "quantized"))
    state = torch.load(folder / "net.pth.tar", weights_only=True)["state_dict"]
    network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    images = np.random.default_rng(0).standard_normal((4, 3, *SMALL_IMAGE)).astype(np.float32)
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(images)).numpy()
    close = np.isclose(run_onnx(output, images), expected, rtol=1e-3, atol=1e-3).all(1)
    assert close.mean() >= 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--arch", "resnet18", "--bits", 3, "--image", "32,40"),
         "these options fit: --arch resnet18 --bits 2 --quantize-downsample"),
        (("--arch", "mobilenetv2", "--bits", 4, "--quantize-downsample"),
         "mobilenetv2 has no convolution in its skip connections"),
        (("--arch", "resnet18", "--bits", 5), "invalid choice: 5"),
        (("--arch", "resnet99", "--bits", 2), "invalid choice: 'resnet99'"),
        (("--arch", "resnet18", "--bits", 2, "--image", "224"), "is not a height and a width"),
        (("--arch", "resnet18", "--bits", 2, "--image", "0,9"), "is not a height and a width"),
    ],
)  # fmt: skip
def test_wrong_options(
    options: tuple[object, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder / "wrong.onnx"
    assert command(*options, folder / "net.pth.tar", "-o", output) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_wrong_paths(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder / "net.pth.tar"
    before = source.read_bytes()
    for checkpoint, output, message in (
        (folder / "none.pth", folder / "x.onnx", "No such file"),
        (folder, folder / "x.onnx", "Is a directory"),
        (source, source, "it is an input"),
        (source, folder, "it is a folder, a file is wanted"),
        (source, folder / "nowhere" / "x.onnx", "there is no folder"),
    ):
        assert command(*RIGHT, checkpoint, "-o", output) == 2
        assert message in capsys.readouterr().err
    assert source.read_bytes() == before and not (folder / "x.onnx").exists()


@pytest.mark.parametrize("missing", ["torch", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(missing: str, folder: Path) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"  # makes its import fail
        "from n2uqc.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["import-checkpoint", *map(str, RIGHT), folder / "net.pth.tar", "-o", folder / "y"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"n2uqc: error: import-checkpoint needs {missing}")
    assert "pip install 'n2uqc[train]'" in done.stderr and not (folder / "y").exists()
