"""What `n2uqc convert` takes, prints and refuses; conversions are in tests/models/conversion."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import n2uqc

from .conftest import Command
from .test_twins import MINE

torch = pytest.importorskip("torch", reason="conversion needs torch")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), np.uint8)
    np.save("pixels.npy", pixels)
    np.save("x.npy", (pixels / 255).astype(np.float32))
    Path("mine.py").write_text(MINE, encoding="utf-8")
    Path("choosing.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
        "        return x if x.sum() > 0 else -x\n",
        encoding="utf-8",
    )


def test_raw_pixels_and_weights(command: Command) -> None:
    """Weights of a file, an argument, bytes as samples; the program takes bytes too."""
    network = _built(6)
    with torch.no_grad():
        network[0].weight.mul_(2)
    torch.save({"state_dict": network.state_dict()}, "w.pt")
    line = ("convert", "mine.py:build", "--with", "outputs=6", "--weights", "w.pt", "--data",
            "pixels.npy", "--pixels", "1/255", "--mean", "0.5", "--epochs", 0, "--bits", "3,4",
            "-o", "net.onnx")  # fmt: skip
    done = command(*line)
    assert done.status == 0, done.err
    for text in ("first layer", "last layer", "calibrated", "integer program"):
        assert text in done.out
    told = " --pixels 0.00392156863 --mean 0.5 --target host -o DIR"
    assert done.out.splitlines()[-1] == f"next: n2uqc compile net.onnx{told}"
    found = json.loads(command(*line, "--json", "--quiet").out)
    calibrated, program = found["measured"]
    assert calibrated["name"] == "calibrated" and program["samples"] == 5
    assert calibrated["error"] < 0.6 and abs(program["error"] - calibrated["error"]) < 0.02
    same = n2uqc.convert(
        network, "again.onnx", data=np.load("pixels.npy"), epochs=0, bits=(3, 4),
        pixels=n2uqc.Pixels(1 / 255, mean=(0.5,)),
    )  # fmt: skip
    assert Path("again.onnx").read_bytes() == Path("net.onnx").read_bytes()
    assert same.measured[0].error == calibrated["error"]
    assert "2 of 4 layers low-bit" in same.summary()


def _built(outputs: int) -> torch.nn.Sequential:
    held: dict[str, object] = {}
    exec(MINE, held)
    return held["build"](outputs)  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("yours:build",), "importing yours fails: ModuleNotFoundError"),
        (("mine.py:biuld",), "the network: mine.py has no biuld"),
        (("no.py:build",), "the network: there is no file no.py"),
        (("mine.py",), 'an import path is "package.module:name" or "file.py:name"'),
        (("mine.py:torch",), "the network: module cannot be called"),
        (("mine.py:build", "--with", "outputs=x"), "with a JSON value, as in classes=10"),
        (("mine.py:build", "--with", "size=3"), "calling it fails: TypeError"),
        (("mine.py:build", "--weights", "x.npy"), "--weights: x.npy is no fitting state dict"),
        (("choosing.py:Net",), "choosing.py line 5: `return x if x.sum() > 0 else -x`"),
        (("mine.py:build", "--data", "no.npy"), "cannot read no.npy"),
        (("mine.py:build", "--pixels", "1/255"), "--pixels: samples are float32"),
        (("mine.py:build", "--bits", "9"), "quantizers.bits.activation: 9; it is at most 8"),
        (("mine.py:build", "--bits", "2,3,4"), "'2,3,4' is not a number of bits"),
        (("mine.py:build", "--layer", "3"), "'3' is not NAME=BITS"),
        (("mine.py:build", "--layer", "30=3"), "--layer: '30' is no layer"),
        (("mine.py:build", "--real", "fc"), "--real: 'fc' is no layer; layers are 0, 2, 4, 7"),
        (("mine.py:build", "--rate", "0"), "schedule.rate: 0.0; it is greater than 0"),
        (("mine.py:build", "--epochs", "-1"), "tuning: -1; it is at least 0"),
        (("mine.py:build", "--batch", "0"), "schedule.batch: 0; it is at least 1"),
        (("mine.py:build", "--activation", "lsqq"), "invalid choice: 'lsqq'"),
        (("mine.py:build", "--device", "tpu"), "--device tpu: there are cpu"),
        (("mine.py:build", "-o", "no/net.onnx"), "there is no folder "),
        (("mine.py:build", "-o", "x.npy"), "cannot write x.npy: it is an input"),
    ],
)
def test_requests_that_cannot_be(words: tuple[str, ...], message: str, command: Command) -> None:
    done = command("convert", "--data", "x.npy", "-o", "net.onnx", "--epochs", "0", *words)
    assert done.status == 2 and message in done.err, done.err
    assert "Traceback" not in done.err and not Path("net.onnx").exists()
