"""Sequences [N,C,L], features [N,F] and reshaped inputs: the user's shape at both ends."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op
from n2uqc.frontend.reference import evaluate
from n2uqc.models.quantizers import LTQ, levels_above_zero
from n2uqc.passes.pipeline import compile_graph
from n2uqc.passes.program.text import dump, parse
from tests.frontend.networks import build, check_same, images, ops, refused, run_onnx


class Quantized(nn.Module):
    """N2UQ's weights of any rank in front of a layer function."""

    def __init__(self, shape: tuple[int, ...], bits: int, **options: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) * 0.1)
        self.clip_val = nn.Parameter(torch.tensor([1.8]))
        self.bits, self.options = bits, options

    def forward(self, x: Tensor) -> Tensor:
        n, edge = levels_above_zero(self.bits), self.clip_val / 2
        axes = tuple(range(1, self.weight.ndim))
        scale = n / 2 ** (self.bits - 1) * self.weight.abs().mean(axes, keepdim=True)
        clipped = self.weight / scale
        clipped = torch.where(clipped < edge, clipped, edge)
        clipped = torch.where(clipped > -edge, clipped, -edge)
        m = n / self.clip_val
        q = scale * (torch.round((clipped + edge) * m) / m - edge)
        q = q.detach() - clipped.detach() + clipped
        return F.linear(x, q) if q.ndim == 2 else F.conv1d(x, q, **self.options)


class Sequence(nn.Module):
    """Strided, padded, grouped and dilated 1-D layers, pools, PReLU, a skip connection."""

    def __init__(self, head: str) -> None:
        super().__init__()
        stem = nn.Conv1d(3, 8, 7, 2, 3)
        self.stem = nn.Sequential(stem, nn.BatchNorm1d(8), nn.MaxPool1d(3, 2, 1))
        self.first = nn.Sequential(
            nn.PReLU(8), LTQ(2), Quantized((12, 8, 5), 2, stride=2, padding=2), nn.BatchNorm1d(12)
        )
        self.second = nn.Sequential(
            nn.PReLU(12), LTQ(3), Quantized((12, 1, 3), 3, padding=2, groups=12, dilation=2)
        )
        self.fc, self.head = nn.Linear(12, 5), head

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x))
        x = F.avg_pool1d(x + self.second(x), 2)
        if self.head == "sequence":
            return x
        if self.head == "mean":
            return self.fc(x.mean(-1))
        if self.head == "max":
            return self.fc(x.amax(-1))
        return self.fc(F.adaptive_avg_pool1d(x, 1).squeeze(-1))


class Perceptron(nn.Module):
    """Fully connected layers, the first of them float."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(24, 16), nn.BatchNorm1d(16), nn.PReLU(16), LTQ(2), Quantized((12, 16), 2),
            nn.BatchNorm1d(12), LTQ(3), Quantized((5, 12), 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Viewed(nn.Module):
    """A flat input that becomes images; a two-dimensional layer on sequences."""

    def __init__(self, one_row: bool) -> None:
        super().__init__()
        self.one_row = one_row
        self.conv = nn.Conv2d(3, 6, (1, 3), padding=(0, 1))
        self.quantizer, self.fc = LTQ(2), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2) if self.one_row else x.view(-1, 3, 4, 2)
        x = self.quantizer(self.conv(x))
        return self.fc(x.squeeze(2).mean(2) if self.one_row else x.mean((2, 3)))


CASES = {
    "adaptive": (lambda: Sequence("adaptive"), (3, 40), 2, 2),
    "mean": (lambda: Sequence("mean"), (3, 33), 2, 2),
    "max": (lambda: Sequence("max"), (3, 40), 2, 2),
    "sequence": (lambda: Sequence("sequence"), (3, 40), 2, 2),
    "features": (Perceptron, (24,), 2, 2),
    "flat": (lambda: Viewed(False), (24,), 1, 0),
    "one row": (lambda: Viewed(True), (3, 8), 1, 0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dynamic", [True, False])
def test_exports(tmp_path: Path, name: str, dynamic: bool) -> None:
    make, shape, quantizers, weights = CASES[name]
    torch.manual_seed(len(name))
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            make().eval(), (torch.zeros(3, *shape),), path, dynamo=False, input_names=["x"],
            dynamic_axes={"x": {0: "n"}} if dynamic else None, opset_version=17,
        )  # fmt: skip
    graph = load_graph(path)
    assert sum(is_op(n, "Threshold") for n in graph.graph) == quantizers
    assert sum(is_op(n, "Weight") for n in graph.graph) == weights
    model = onnx.load(path)
    x = images(model, 3)
    want = run_onnx(model, x)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-5)
    program = compile_graph(graph)
    assert program.interface.input.shape == shape
    assert program.interface.output.shape == want.shape[1:]
    np.testing.assert_allclose(program(x), want, atol=1e-3)


@pytest.mark.parametrize("ends", ["first", "last", "both"])
def test_channels_last_at_the_edges(ends: str) -> None:
    first = "t = Transpose <perm = [0, 3, 1, 2]> (x)" if ends != "last" else "t = Relu (x)"
    last = "y = Transpose <perm = [0, 2, 3, 1]> (c)" if ends != "first" else "y = Relu (c)"
    weights = np.random.default_rng(0).standard_normal((5, 2, 3, 3))
    x = "float[N,3,4,2] x" if ends != "last" else "float[N,2,3,4] x"
    model = build(f"{first} c = Conv <pads = [1, 1, 1, 1]> (t, W) {last}", {"W": weights}, x=x)
    program = compile_graph(check_same(model))
    face = program.interface
    assert face.input.channels_last == (ends != "last")
    assert face.output.channels_last == (ends != "first")
    assert parse(dump(program)).interface == face
    given = images(model, 3)
    np.testing.assert_allclose(program(given), run_onnx(model, given), atol=1e-3)


def test_two_means_in_a_row_are_one() -> None:
    mean = "ReduceMean <axes = [{}], keepdims = 0>"
    body = f"a = {mean.format(3)} (x) y = {mean.format(2)} (a)"
    assert ops(check_same(build(body))) == ["GlobalAveragePool", "Flatten"]


def test_a_mean_over_images_is_refused() -> None:
    refused(build("y = ReduceMean <axes = [0]> (x)"), "a mean over axes [0]")


def test_a_reshape_between_layers_moves_elements() -> None:
    body = "a = Relu (x) [r] b = Reshape (a, t) y = Relu (b)"
    model = build(body, {"t": np.int64([0, 8, 4])}, x="float[N,4,8] x")
    assert ops(check_same(model)) == ["Relu", "Relu", "Rearrange"]
