"""Sequences and features through the command line: arrays of the model's own shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from n2uqc import cli
from tests.frontend.networks import build, run_onnx

rng = np.random.default_rng(0)
CODES = "c = Greater (a, T) d = Cast <to = 1> (c)"


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (f"a = Conv <pads = [1, 1]> (x, S) {CODES} e = Conv <strides = [2]> (d, W) "
         "y = GlobalAveragePool (e)", (3, 16)),
        (f"a = Gemm <transB = 1> (x, F) {CODES} y = Gemm <transB = 1> (d, G)", (6,)),
    ],
)  # fmt: skip
def test_simulate(tmp_path: Path, body: str, shape: tuple[int, ...]) -> None:
    parameters = {
        "S": rng.standard_normal((4, 3, 3)), "W": rng.choice([-0.5, 0.5], (5, 4, 3)), "T": 0.3,
        "F": rng.standard_normal((8, 6)), "G": rng.standard_normal((5, 8)),
    }  # fmt: skip
    used = {k: v for k, v in parameters.items() if f"{k})" in body}
    model = build(body, used, x=f"float[N,{','.join(map(str, shape))}] x")
    onnx.save(model, tmp_path / "net.onnx")
    x = rng.standard_normal((3, *shape)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    options = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    for extra in ([], ["--datapath"]):
        assert cli.main(["simulate", str(tmp_path / "net.onnx"), *options, *extra]) == 0
        found, want = np.load(tmp_path / "y.npy"), run_onnx(model, x)
        np.testing.assert_allclose(found, want, atol=1e-3)


def test_an_array_of_another_rank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(build("y = Relu (x)", x="float[N,6] x"), tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", np.zeros((3, 6, 1, 1), np.float32))
    options = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert cli.main(["simulate", str(tmp_path / "net.onnx"), *options]) == 2
    assert "it takes (N, 6) for any N" in capsys.readouterr().err
