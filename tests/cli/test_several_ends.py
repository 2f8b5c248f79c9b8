"""Networks of several inputs and outputs on the command line, by names, through every executor."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from ..frontend.networks import build
from .conftest import Command

RNG = np.random.default_rng(0)
BODY = """u = Concat <axis = 1> (x, m) c = Conv <pads = [1,1,1,1]> (u, V) r = Relu (c)
 d = Div (r, s) q = Round (d) k = Clip (q, low, high) codes = Mul (k, s)
 t = Conv <pads = [1,1,1,1], strides = [2,2]> (codes, W) boxes = Sigmoid (t)
 p = GlobalAveragePool (t) f = Flatten (p) best = ArgMax <axis = 1, keepdims = 0> (f)"""
PARAMETERS = {
    "V": RNG.normal(0, 0.4, (4, 3, 3, 3)),
    "W": RNG.normal(0, 0.4, (5, 4, 3, 3)),
    "s": np.float64(0.25),
    "low": np.float64(0),
    "high": np.float64(3),
}
X = {
    "x": RNG.uniform(-2, 2, (3, 2, 6, 6)).astype(np.float32),
    "m": RNG.uniform(-2, 2, (3, 1, 6, 6)).astype(np.float32),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.onnx of two inputs and three outputs, and x.npz."""
    place = tmp_path_factory.mktemp("several")
    x = "float[N,2,6,6] x, float[N,1,6,6] m"
    y = "float[] boxes, int64[] best, float[] codes"
    onnx.save(build(BODY, PARAMETERS, x=x, y=y), place / "net.onnx")
    np.savez(place / "x.npz", **X)
    return place


def test_arrays_go_in_and_out_by_name(folder: Path, command: Command) -> None:
    result = command(
        "simulate", folder / "net.onnx", "-i", folder / "x.npz", "-o", folder / "y.npz"
    )
    assert result.status == 0, result.err
    session = onnxruntime.InferenceSession(folder / "net.onnx")
    want = dict(zip(("boxes", "best", "codes"), session.run(None, X), strict=True))
    found = np.load(folder / "y.npz")
    assert found.files == list(want)
    np.testing.assert_array_equal(found["best"], want["best"])
    for name in ("boxes", "codes"):
        np.testing.assert_allclose(found[name], want[name], atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X["x"]}, "missing: 'm'; the network's inputs are 'x', 'm'"),
        ({**X, "\x1b[31m": X["x"]}, "no input: '\\x1b[31m'"),
        ({**X, "m": X["m"][:2]}, "different numbers of samples: 'x' has 3, 'm' has 2"),
        ({**X, "m": X["x"]}, "input 'm' has shape (3, 2, 6, 6)"),
        (None, "holds one array; the network has 2 inputs"),
    ],
)
def test_what_is_missing_or_too_much_is_named(
    arrays: dict[str, np.ndarray] | None, words: str, folder: Path, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / ("x.npy" if arrays is None else "x.npz")
    np.save(path, X["x"]) if arrays is None else np.savez(path, **arrays)
    result = command("simulate", folder / "net.onnx", "-i", path, "-o", tmp_path / "y.npz")
    assert result.status == 2 and words in result.err, result.err
    assert "\x1b[31m" not in result.err and not (tmp_path / "y.npz").exists()


def test_several_outputs_need_an_npz(folder: Path, command: Command, tmp_path: Path) -> None:
    arguments = ("simulate", folder / "net.onnx", "-i", folder / "x.npz", "-o", tmp_path / "y.npy")
    result = command(*arguments)
    assert result.status == 2 and "3 outputs, 'boxes', 'best', 'codes'" in result.err


def test_every_executor_and_the_network_agree(folder: Path, command: Command) -> None:
    result = command(
        "verify", folder / "net.onnx", "-i", folder / "x.npz", "--samples", 3, "--executors", "fpga"
    )
    assert result.status == 0, result.err + result.out
    assert "verdict  IDENTICAL" in result.out
    assert "top-1 agrees on 3 of 3" in result.out  # the file's own outputs, heads included


def test_the_library_has_named_fields(folder: Path, command: Command, tmp_path: Path) -> None:
    result = command("compile", folder / "net.onnx", "-t", "host", "-o", tmp_path / "net")
    assert result.status == 0, result.err
    sources = ["-Iinclude", "example/example.c", "libn2uqc_net.a", "-o", "run_example"]
    warnings = ["-Wall", "-Wextra", "-Werror", "-std=c11"]
    subprocess.run(["gcc", *warnings, *sources], cwd=tmp_path / "net", check=True)
    done = subprocess.run(["./run_example"], cwd=tmp_path / "net", capture_output=True, check=True)
    assert [line.split(b":")[0] for line in done.stdout.splitlines()] == [b"t", b"codes", b"best"]


def test_the_hardware_has_a_stream_for_each(folder: Path, command: Command, tmp_path: Path) -> None:
    if not shutil.which("iverilog"):
        pytest.skip("no Icarus Verilog: apt install iverilog")
    pytest.importorskip("amaranth", reason="hardware needs the extra rtl")
    result = command("compile", folder / "net.onnx", "-t", "fpga", "--rtl", "-o", tmp_path / "net")
    assert result.status == 0, result.err
    names = (tmp_path / "net/datapath.v").read_text()
    assert "s_axis_x_tdata" in names and "m_axis_codes_tlast" in names
    done = subprocess.run(
        ["make", "icarus"], cwd=tmp_path / "net", capture_output=True, text=True, check=True
    )
    assert done.stdout.count("PASS") == 2, done.stdout


OPEN = ("--input-shape", "x=2,6,6", "--input-shape", "m=1,6,6")
RAW = ("--pixels", "x=1/64", "--mean", "x=2,1", "--std", "x=0.5")


@pytest.fixture(scope="module")
def open_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network whose export leaves height and width of both inputs open."""
    path = tmp_path_factory.mktemp("open") / "open.onnx"
    x = "float[N,2,H,W] x, float[N,1,H,W] m"
    onnx.save(build(BODY, PARAMETERS, x=x, y="float[] boxes, int64[] best, float[] codes"), path)
    return path


def test_sizes_and_raw_images_by_name(
    open_network: Path, folder: Path, command: Command, tmp_path: Path
) -> None:
    raw = RNG.integers(0, 256, X["x"].shape).astype(np.uint8)
    given, out = tmp_path / "raw.npz", tmp_path / "y.npz"
    np.savez(given, x=raw, m=X["m"])
    result = command("simulate", open_network, *OPEN, *RAW, "-i", given, "-o", out)
    assert result.status == 0, result.err
    mean = np.float32([2, 1]).reshape(2, 1, 1)
    real = {"x": ((raw / 64 - mean) / 0.5).astype(np.float32), "m": X["m"]}
    want = onnxruntime.InferenceSession(folder / "net.onnx").run(["boxes", "best"], real)
    np.testing.assert_allclose(np.load(out)["boxes"], want[0], atol=1e-5)
    np.testing.assert_array_equal(np.load(out)["best"], want[1])
    saved = tmp_path / "p.n2uq"
    built = command("compile", open_network, *OPEN, *RAW, "--target", "program", "-o", saved)
    assert built.status == 0, built.err
    against = ("--against", open_network, "--executors", "interpreter", "--input", given)
    checked = command("verify", saved, *against)
    assert checked.status == 0 and "IDENTICAL" in checked.out, checked.err
    assert command("inspect", open_network, *OPEN).status == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pixels", "1/64"), "--pixels x=SCALE"),
        (("--pixels", "w=1/64"), "'w', which is no input"),
        (("--pixels", "x=1/64", "--pixels", "1/64"), "each needs a name"),
        (("--pixels", "x=1/64", "--pixels", "x=1"), "given twice for x"),
        (("--pixels", "=1/64"), "no name before its ="),
        (("--pixels", "x=a"), "is not a number"),
        (("--pixels", "x=1", "--mean", "m=1"), "--mean of m belongs to --pixels m=SCALE"),
        (("--mean", "x=1"), "belong to --pixels"),
        (("--input-shape", "2,6,6"), "--input-shape x=2,6,6"),
        (("--input-shape", "q=2,6,6"), "no input of this name"),
    ],
)
def test_wrong_names(options: tuple[str, ...], words: str, folder: Path, command: Command) -> None:
    result = command("verify", folder / "net.onnx", *options)
    assert result.status == 2 and words in result.err, result.err
    assert "Traceback" not in result.err


def test_help_says_so(command: Command) -> None:
    shown = command("compile", "--help").out
    for option in ("--pixels", "--mean", "--std", "--input-shape"):
        assert f"{option} [NAME=]" in shown or f"{option}, " in shown, option
