"""N2UQ's training code written afresh, in the variations users have, through the exporter.

Structure and parameter names follow the published networks; tensors are updated in place, biases
expanded, weights scaled and clipped in several ways.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op, read_threshold, read_weight
from n2uqc.passes.pipeline import compile_graph
from tests.frontend.networks import images, run_onnx


class Ladder(nn.Module):
    """The activation quantizer, thresholds and levels accumulated in place."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.n = 2**bits - 1
        self.interval = 2.0 / self.n
        self.start = nn.Parameter(torch.tensor([0.0]))
        self.a = nn.Parameter(torch.full((self.n,), self.interval))
        self.scale1, self.scale2 = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        for name, value in (("two", 2.0), ("zero", 0.0), ("eps", 1e-3)):
            setattr(self, name, nn.Parameter(torch.tensor([value]), requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.scale1
        level = self.zero + 0.0
        length = torch.where(self.a > self.eps, self.a, self.eps)
        at, begin = self.start + length[0] / 2, self.start + 0.0
        hard, soft = x, x
        for i in range(self.n):
            level += self.interval
            if i:
                at += length[i - 1] / 2 + length[i] / 2
                begin += length[i - 1]
            ramp = self.interval / length[i] * (x - begin) + level - self.interval
            hard = torch.where(x > at, level, hard if i else self.zero)
            soft = torch.where(x > begin, ramp, soft if i else self.zero)
        begin += length[self.n - 1]
        soft = torch.where(x > begin, self.two, soft)
        return (hard.detach() + soft - soft.detach()) * self.scale2

    def thresholds(self) -> np.ndarray[Any, Any]:
        length = torch.where(self.a > self.eps, self.a, self.eps)
        total = self.start + length[0] / 2
        found = [total]
        for i in range(1, self.n):
            found.append(found[-1] + (length[i - 1] / 2 + length[i] / 2))
        return torch.cat(found).detach().numpy()


class Convolution(nn.Module):
    """The quantized convolution; `style` chooses how scale and clip are written."""

    def __init__(self, inputs: int, outputs: int, bits: int, style: str, **window: int) -> None:
        super().__init__()
        self.bits, self.style, self.window = bits, style, window
        shape = (outputs, inputs // window.get("groups", 1), 3, 3)
        self.weight = nn.Parameter((torch.rand(shape) - 0.5) * 0.001)
        self.clip_val = nn.Parameter(torch.tensor([2.0]))

    def forward(self, x: Tensor) -> Tensor:
        w, edge, count = self.weight, self.clip_val / 2, 2**self.bits - 1
        if self.style == "flat":
            mean = w.abs().flatten(1).mean(1).view(-1, 1, 1, 1)
        elif self.style == "axes":
            mean = w.abs().mean(dim=(1, 2, 3), keepdim=True)
        else:
            mean = torch.mean(abs(w), dim=3, keepdim=True)
            mean = torch.mean(torch.mean(mean, dim=2, keepdim=True), dim=1, keepdim=True)
        scale = (count / 2 ** (self.bits - 1) * mean).detach()
        w = w / scale
        if self.style == "minimum":
            w = torch.minimum(torch.maximum(w, -edge), edge)
        else:
            w = torch.where(w < edge, w, edge)
            w = torch.where(w > -edge, w, -edge)
        m = float(count) / self.clip_val
        hard = scale * (torch.round((w + edge) * m) / m - edge)
        return F.conv2d(x, hard.detach() - w.detach() + w, padding=1, **self.window)


class Bias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)


class Network(nn.Module):
    """One basic block with an average-pooling downsample, between float stem and head."""

    def __init__(self, bits: int = 2, style: str = "three means", head: str = "flatten") -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        )
        self.bias11, self.prelu1, self.bias12 = Bias(6), nn.PReLU(6), Bias(6)
        self.quan1, self.conv1 = Ladder(bits), Convolution(6, 8, bits, style, stride=2)
        self.bn1 = nn.BatchNorm2d(8)
        self.prelu2, self.quan2 = nn.PReLU(8), Ladder(bits)
        self.conv2, self.bn2 = Convolution(8, 8, bits, style, groups=8), nn.BatchNorm2d(8)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(2, 2), Ladder(bits), Convolution(6, 8, bits, style), nn.BatchNorm2d(8)
        )
        self.fc, self.head = nn.Linear(8, 5), head

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.bias12(self.prelu1(self.bias11(x)))
        y = self.bn1(self.conv1(self.quan1(y)))
        y = self.bn2(self.conv2(self.quan2(self.prelu2(y)))) + self.downsample(x)
        if self.head == "view":
            y = F.adaptive_avg_pool2d(y, 1)
            y = y.view(y.size(0), -1)
        elif self.head == "mean":
            y = y.mean((2, 3))
        elif self.head == "two means":
            y = y.mean(3).mean(2)
        elif self.head == "squeeze":
            y = F.adaptive_avg_pool2d(y, 1).squeeze(-1).squeeze(-1)
        else:
            y = torch.flatten(F.adaptive_avg_pool2d(y, 1), 1)
        return self.fc(y)


def trained(net: Network, seed: int) -> Network:
    """Parameters drawn as training leaves them: negative gammas, scales, lengths below eps."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(torch.randn_like(module.weight))
                module.bias.normal_(0, 0.3)
                module.running_mean.normal_(0, 0.3)  # type: ignore[operator, union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[operator, union-attr]
            elif isinstance(module, nn.PReLU):
                module.weight.normal_(0.2, 0.3)
            elif isinstance(module, Bias):
                module.bias.normal_(0, 0.3)
            elif isinstance(module, Ladder):
                module.a.uniform_(0.1, 0.7)
                module.a[torch.randint(module.n, (1,))] = -0.1
                module.start.normal_(0, 0.2)
                module.scale1.uniform_(0.6, 1.4)
                module.scale2.uniform_(0.5, 1.5)
            elif isinstance(module, Convolution):
                module.weight.normal_(0, 0.1)
                module.clip_val.uniform_(1.5, 2.5)
        net.quan2.scale1.neg_()
    return net.eval()


def check(net: Network, path: Path, wrapped: nn.Module | None = None, **options: Any) -> None:
    """Every quantizer is found with its thresholds, and the program computes the file's scores."""
    options = {"input_names": ["images"], "opset_version": 17, **options}
    axes = {options["input_names"][0]: {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped or net, (torch.zeros(2, 3, 16, 12),), path, dynamo=False, dynamic_axes=axes,
            **options,
        )  # fmt: skip
    graph = load_graph(path)
    found = [read_threshold(n) for n in graph.graph if is_op(n, "Threshold")]
    ladders = {tuple(m.thresholds()): m for m in net.modules() if isinstance(m, Ladder)}
    assert len(found) == 3
    for params in found:
        ladder = ladders[tuple(params.thresholds[0])]
        assert params.strict and params.ties is None
        assert params.input_scale == ladder.scale1.item()
        assert params.step == 2 * ladder.scale2.item()
    weights = [read_weight(n) for n in graph.graph if is_op(n, "Weight")]
    assert len(weights) == 3 and all(w.odd and w.bits == net.conv1.bits for w in weights)
    model = onnx.load(path)
    x = images(model, 3)
    want = run_onnx(model, x)
    got = compile_graph(graph)(x)
    np.testing.assert_allclose(got, want, atol=1e-3 * np.abs(want).max())


@pytest.mark.parametrize("style", ["three means", "axes", "flat", "minimum"])
def test_weights(tmp_path: Path, style: str) -> None:
    check(trained(Network(3, style), 1), tmp_path / "net.onnx")


@pytest.mark.parametrize("head", ["view", "mean", "two means", "squeeze"])
def test_heads(tmp_path: Path, head: str) -> None:
    check(trained(Network(2, head=head), 2), tmp_path / "net.onnx")


@pytest.mark.parametrize(
    "options",
    [
        {"do_constant_folding": False},
        {"training": torch.onnx.TrainingMode.PRESERVE},
        {"keep_initializers_as_inputs": True},
        {"input_names": ["x.1"], "output_names": ["scores.7"]},
        {"opset_version": 13, "do_constant_folding": False},
    ],
    ids=str,
)
def test_options_of_the_exporter(tmp_path: Path, options: dict[str, Any]) -> None:
    check(trained(Network(4), 3), tmp_path / "net.onnx", **options)


def test_data_parallel(tmp_path: Path) -> None:
    net = trained(Network(2), 4)
    check(net, tmp_path / "net.onnx", nn.DataParallel(net).module)


def _clamped(ladder: Ladder) -> None:
    ladder.a.fill_(-1.0)


def _equal(ladder: Ladder) -> None:
    ladder.a.fill_(0.0)
    ladder.eps.fill_(0.0)


@pytest.mark.parametrize("change", [_clamped, _equal])
def test_degenerate_thresholds(tmp_path: Path, change: Callable[[Ladder], None]) -> None:
    """All lengths below eps; all thresholds equal."""
    net = trained(Network(3), 5)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Ladder):
                change(module)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.zeros(2, 3, 16, 12),), path, dynamo=False, opset_version=17)
    graph = load_graph(path)
    model = onnx.load(path)
    x = images(model)
    want = run_onnx(model, x)
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-3 * np.abs(want).max())
