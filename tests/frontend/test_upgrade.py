"""Files of opset 9 to 12: the same network as onnxruntime runs from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import n2uqc
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
    ("opset", "body", "words"),
    [
        (11, "[s] y = Softmax (x)", "the axes 1, 2, 3 together, as before opset 13"),
        (12, "[s] y = LogSoftmax <axis = -2> (x)", "the axes 2, 3 together"),
        (10, "[s] y = Resize (x, k)", "scales of opset 10 that are computed, or below 1"),
        (10, "h = Abs (k) [s] y = Resize (x, h)", "scales of opset 10 that are computed"),
        (9, "[s] y = Scatter <axis = 1> (x, i, x)", "as of opset 9, which changed since"),
    ],
)
def test_operators_that_changed_are_refused(opset: int, body: str, words: str) -> None:
    given = {"k": np.array([1, 1, 0.5, 1]), "i": np.zeros((2, 2, 4, 4), np.int64)}
    refused(build(body, given, opset=opset), words)


CHANGED = {
    "softmax of features": ((9, 11, 12), "f = Flatten (x) y = Softmax (f)", {}),
    "softmax of the last axis": ((9, 11, 12), "y = Softmax <axis = 3> (x)", {}),
    "softmax of the one axis": (
        (9, 12), "g = GlobalAveragePool (x) y = LogSoftmax <axis = 1> (g)", {},
    ),
    "nearest": ((9,), "y = Upsample <mode = \"nearest\"> (x, k)", {"k": [1.0, 1, 2, 3]}),
    "linear": ((9,), "y = Upsample <mode = \"linear\"> (x, k)", {"k": [1.0, 1, 2, 2]}),
    "resized": ((10,), "y = Resize <mode = \"nearest\"> (x, k)", {"k": [1.0, 1, 2, 3]}),
    "linearly": ((10,), "y = Resize <mode = \"linear\"> (x, k)", {"k": [1.0, 1, 2, 2]}),
    "resized by corners": (
        (11, 12),
        "y = Resize <mode = \"linear\", coordinate_transformation_mode = \"align_corners\"> "
        "(x, none, k)",
        {"k": [1.0, 1, 2, 2], "none": np.zeros(0)},
    ),
    "deep": ((9, 11, 12), "f = Concat <axis = 1> (x, x) y = DepthToSpace <blocksize = 2> (f)", {}),
    "wide": ((9, 11, 12), "y = SpaceToDepth <blocksize = 2> (x)", {}),
    "norm": ((9, 11, 12), "n = ReduceL2 <axes = [1]> (x) y = Relu (n)", {}),
    "transposed": (
        (9, 10, 11), "y = ConvTranspose <strides = [2, 2]> (x, w)", {"w": np.ones((2, 3, 2, 2))},
    ),
    "top": ((9,), "v, y = TopK <axis = 1, k = 2> (f0)", {}),
    "top of a tensor": ((10,), "v, y = TopK <axis = 1> (f0, n)",
                        {"n": np.array([2])}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "opset"), [(name, opset) for name, (opsets, *_) in CHANGED.items() for opset in opsets]
)
def test_operators_that_changed(name: str, opset: int) -> None:
    _, body, parameters = CHANGED[name]
    if "f0" in body:
        body = f"g = Relu (x) h = GlobalAveragePool (g) f0 = Flatten (h) {body}"
    given = {k: np.asarray(v) for k, v in parameters.items()}
    y = "int64[] y" if "TopK" in body else "float[] y"
    model = build(body, given, opset=opset, y=y)
    x = images(model, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no quantizer
        program = n2uqc.load(model)
    np.testing.assert_allclose(program(x), run_onnx(model, x), atol=2e-4)


def test_older_files_are_refused() -> None:
    refused(build("y = Relu (x)", opset=8), "opset 8", "opset 9 to")
