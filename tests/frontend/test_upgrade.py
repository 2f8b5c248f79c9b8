"""Files of opset 9 to 12: the same network as onnxruntime runs from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op
from n2uqc.frontend.reference import evaluate
from n2uqc.models.networks import ResidualNetwork
from n2uqc.models.randomize import randomize
from tests.frontend.networks import build, check_same, images, ops, refused, run_onnx

EARLY = {
    "clip": ("y = Clip <min = -0.5, max = 0.25> (x)", {}, ["Clip"]),
    "relu6": ("y = Clip <min = 0.0, max = 6.0> (x)", {}, ["Clip"]),
    "upper": ("y = Clip <max = 0.25> (x)", {}, ["Clip"]),
    "lower": ("y = Clip <min = 0.0> (x)", {}, ["Relu"]),
    "none": ("c = Clip (x) y = Relu (c)", {}, ["Relu"]),
    "pad": (
        "p = Pad <pads = [0, 0, 1, 0, 0, 0, 2, 1]> (x) y = Conv (p, W)",
        {"W": np.ones((3, 2, 3, 3))}, ["Conv"],
    ),
    "squeeze": ("g = GlobalAveragePool (x) y = Squeeze <axes = [2, 3]> (g)", {},
                ["GlobalAveragePool", "Flatten"]),
    "unsqueeze": ("b = Unsqueeze <axes = [1, 2]> (k) y = Add (x, b)", {"k": np.ones(2)}, None),
    "dropout": ("d = Dropout <ratio = 0.5> (x) y = Relu (d)", {}, ["Relu"]),
    "slice": (
        "s = Slice <axes = [1], starts = [1], ends = [3]> (k) y = Add (x, s)",
        {"k": np.arange(4.0).reshape(1, 4, 1, 1)}, None,
    ),
    "pool": ("y = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)", {}, ["AveragePool"]),
}  # fmt: skip


@pytest.mark.parametrize("opset", [9, 10, 11, 12])
@pytest.mark.parametrize("name", EARLY)
def test_operators(name: str, opset: int) -> None:
    body, parameters, want = EARLY[name]
    if (name in ("clip", "relu6", "upper", "lower", "pad") and opset > 10) or (
        (name == "slice" and opset > 9) or (name == "dropout" and opset > 11)
    ):
        pytest.skip("written with inputs from that opset on")
    shape: dict[str, Any] = {"x": "float[N,2,4,2] x"} if name in ("slice", "unsqueeze") else {}
    graph = check_same(build(body, parameters, opset=opset, **shape))
    if want is not None:
        assert ops(graph) == want


@pytest.mark.parametrize("opset", [9, 10, 11, 12])
@pytest.mark.parametrize("bits", [2, 3])
def test_exports(tmp_path: Path, bits: int, opset: int) -> None:
    torch.manual_seed(opset)
    net = ResidualNetwork(
        bits, (6, 8), in_channels=3, maxpool=True, downsample="quantized" if bits == 2 else "float"
    )
    randomize(net, opset)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                net.eval(), (torch.zeros(2, 3, 8, 8),), path, dynamo=False, opset_version=opset,
                input_names=["x"], dynamic_axes={"x": {0: "n"}},
            )  # fmt: skip
        except torch.onnx.errors.OnnxExporterError:
            pytest.skip(f"this PyTorch does not write round at opset {opset}")
    graph = load_graph(path)
    assert sum(is_op(n, "Threshold") for n in graph.graph) == (5 if bits == 2 else 4)
    model = onnx.load(path)
    x = images(model, 2)
    want = run_onnx(model, x)
    scale = float(np.abs(want).max())
    np.testing.assert_allclose(evaluate(graph, x) / scale, want / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[s] y = Softmax (x)", "as of opset 11, which changed since"),
        ("[s] y = Upsample <mode = \"nearest\"> (x, k)", "Upsample"),
    ],
)  # fmt: skip
def test_operators_that_changed_are_refused(body: str, words: str) -> None:
    refused(build(body, {"k": np.ones(4)}, opset=9 if "Up" in body else 11), words)


def test_older_files_are_refused() -> None:
    refused(build("y = Relu (x)", opset=8), "opset 8", "opset 9 to")
