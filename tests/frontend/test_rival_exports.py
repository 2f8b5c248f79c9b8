"""Rivals of N2UQ as their training code writes them, through PyTorch's exporters."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from n2uqc.backends.cost.compare import compare
from n2uqc.passes import load

from .rivals import apot_levels

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
SIZE, CHANNELS = 12, 16


def rounded(x):
    """Round, with the gradient of the identity."""
    return (x.round() - x).detach() + x


class Step(nn.Module):
    """LSQ: a learned step, per tensor or per channel, its gradient scaled."""

    def __init__(self, bits, signed, channels=1):
        super().__init__()
        self.low = -(2 ** (bits - 1)) if signed else 0
        self.high = self.low + 2**bits - 1
        shape = (channels, 1, 1, 1) if channels > 1 else (1,)
        self.step = nn.Parameter(torch.rand(shape) * 0.02 + (0.06 if signed else 2.0 / self.high))

    def forward(self, x):
        step = (self.step - self.step * 0.01).detach() + self.step * 0.01
        return rounded(torch.clamp(x / step, self.low, self.high)) * step


class Pact(nn.Module):
    def __init__(self, bits):
        super().__init__()
        self.n, self.alpha = 2**bits - 1, nn.Parameter(torch.tensor(2.1))

    def forward(self, x):
        y = 0.5 * (x.abs() - (x - self.alpha).abs() + self.alpha)
        scale = self.n / self.alpha
        return rounded(y * scale) / scale


class Squeezed(nn.Module):
    """DoReFa's weights."""

    def __init__(self, bits):
        super().__init__()
        self.n = 2**bits - 1

    def forward(self, w):
        t = torch.tanh(w)
        return 2 * rounded((t / (2 * t.abs().max()) + 0.5) * self.n) / self.n - 1


class Powers(nn.Module):
    """APoT: the nearest sum of powers of two; weights are normalized before."""

    def __init__(self, bits, signed, flat):
        super().__init__()
        self.signed, self.flat = signed, flat
        self.alpha = nn.Parameter(torch.tensor(2.4))
        self.register_buffer("grid", torch.tensor(apot_levels(max(bits - signed, 1))))

    def nearest(self, x):
        if not self.flat:
            return self.grid[(x.unsqueeze(-1) - self.grid).abs().argmin(dim=-1)]
        index = (x.reshape(-1).unsqueeze(0) - self.grid.unsqueeze(1)).abs().min(dim=0)[1]
        return self.grid[index].view(x.shape)

    def forward(self, x):
        if not self.signed:
            return self.nearest((x / self.alpha).clamp(max=1)) * self.alpha
        x = ((x - x.mean()) / x.std() / self.alpha).clamp(-1, 1)
        return self.nearest(x.abs()) * x.sign() * self.alpha


class Companding(nn.Module):
    """LCQ: compress by a learned piecewise linear function, round, expand."""

    def __init__(self, bits, signed, pieces=16):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(pieces) * 0.5)
        self.alpha = nn.Parameter(torch.tensor(0.2 if signed else 2.3))
        self.pieces, self.n = pieces, 2 ** (bits - signed) - 1

    def forward(self, x):
        rise, width = functional.softmax(self.theta, 0), 1.0 / self.pieces
        start = torch.cat([torch.zeros(1), torch.cumsum(rise, 0)])
        u = (x / self.alpha).clamp(-1, 1)
        size = u.abs()
        piece = torch.clamp((size / width).floor(), 0, self.pieces - 1).long()
        bent = rise[piece] / width * (size - piece * width) + start[piece]
        q = rounded(bent * self.n) / self.n
        back = torch.clamp((q.unsqueeze(-1) >= start[1:]).sum(-1), 0, self.pieces - 1)
        return self.alpha * u.sign() * ((q - start[back]) * width / rise[back] + back * width)


class Away(torch.autograd.Function):
    """Rounding of ties away from zero, as LSQ+ and micronet write it."""

    @staticmethod
    def forward(ctx, x):
        return torch.sign(x) * torch.floor(torch.abs(x) + 0.5)


class Offset(nn.Module):
    """LSQ+: a learned step and a learned offset, which is no multiple of the step."""

    def __init__(self, bits):
        super().__init__()
        self.high, self.step = 2**bits - 1, nn.Parameter(torch.tensor([2.3 / 2**bits]))
        self.beta = nn.Parameter(torch.tensor([0.07]))

    def forward(self, x):
        q = torch.div(x - self.beta, self.step).clamp(0, self.high)
        return Away.apply(q) * self.step + self.beta


class AwayStep(nn.Module):
    """LSQ+'s weights: channels in columns, each with its step."""

    def __init__(self, bits, channels):
        super().__init__()
        self.low, self.step = -(2 ** (bits - 1)), nn.Parameter(torch.rand(channels) * 0.02 + 0.06)

    def forward(self, w):
        flat = torch.transpose(w.contiguous().view(w.size(0), -1), 0, 1)
        step = torch.broadcast_to(self.step, flat.size())
        q = Away.apply(torch.div(flat, step).clamp(self.low, -1 - self.low)) * step
        return torch.transpose(q, 0, 1).contiguous().view(w.size())


class Basis(nn.Module):
    """LQ-Nets: sums of a learned basis, sorted when the network runs; thresholds between them."""

    def __init__(self, bits, channels=0):
        super().__init__()
        self.signed = channels > 0
        basis = torch.rand(max(channels, 1), bits) * 0.2 + 0.5
        self.register_buffer("basis", basis * (0.1 if self.signed else 0.6))
        codes = torch.tensor([[k >> j & 1 for j in range(bits)] for k in range(2**bits)]).float()
        self.register_buffer("codes", 2 * codes - 1 if self.signed else codes)

    def forward(self, x):
        levels, _ = torch.sort(self.basis @ self.codes.T, 1)
        at = (levels[:, :-1] + levels[:, 1:]) / 2
        if self.signed:
            flat = x.reshape(x.shape[0], -1)
            index = (flat.unsqueeze(2) > at.unsqueeze(1)).sum(2)
            return torch.gather(levels, 1, index).view_as(x)
        y = torch.zeros_like(x)
        for k in range(at.shape[1]):
            y = torch.where(x > at[0, k], levels[0, k + 1], y)
        return y


def quantizers(method, bits, channels):
    """Quantizers of activations, and of weights."""
    if method == "lsq":
        return Step(bits, False), Step(bits, True, channels)
    if method == "pact":
        return Pact(bits), Squeezed(bits)
    if method == "lsq+":
        return Offset(bits), AwayStep(bits, channels)
    if method == "lq-nets":
        return Basis(bits), Basis(bits, channels)
    if method == "lcq":
        return Companding(bits, False), Companding(bits, True)
    flat = method == "apot, flat"
    return Powers(bits, False, flat), Powers(bits, True, flat)


class Layer(nn.Module):
    def __init__(self, method, bits, groups):
        super().__init__()
        self.quantize, self.quantize_weight = quantizers(method, bits, CHANNELS)
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1, bias=False, groups=groups)
        self.norm = nn.BatchNorm2d(CHANNELS)

    def forward(self, x):
        weight, conv = self.quantize_weight(self.conv.weight), self.conv
        return self.norm(
            functional.conv2d(self.quantize(x), weight, None, 1, 1, groups=conv.groups)
        )


class Network(nn.Module):
    def __init__(self, method, bits):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, 1, 1), nn.BatchNorm2d(CHANNELS))
        self.first, self.second = (Layer(method, bits, 1) for _ in range(2))
        self.third, self.head = Layer(method, bits, CHANNELS), nn.Linear(CHANNELS, 10)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = functional.relu(self.second(functional.relu(self.first(x))) + x)
        x = functional.relu(self.third(x))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def export(method: str, bits: int, dynamo: bool, path: Path) -> None:
    torch.manual_seed(bits)
    network = Network(method, bits)
    for _ in range(4):  # statistics of its BatchNorms
        network(torch.randn(16, 3, SIZE, SIZE))
    image = torch.randn(1, 3, SIZE, SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(network.eval(), (image,), dynamo=True, verbose=False).save(path)
        else:
            torch.onnx.export(network.eval(), image, path, opset_version=17, dynamo=False)


METHODS = "lsq", "pact", "apot", "apot, flat", "lcq"
CASES = [*((method, bits, False) for method in METHODS for bits in (2, 4)), ("lcq", 2, True)]
CASES += ("lsq+", 4, False), ("lsq+", 2, True), ("lq-nets", 3, False), ("lq-nets", 2, True)


@pytest.mark.parametrize(("method", "bits", "dynamo"), CASES)
def test_exports_are_low_bit(method: str, bits: int, dynamo: bool, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(method, bits, dynamo, path)
    program = load(path)
    x = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(path)
    want = session.run(None, {session.get_inputs()[0].name: x})[0]
    assert np.abs(program(x) - want).max() <= 1e-3 * want.std()
    found = compare(program)
    behind = SIZE * SIZE * 9 * CHANNELS * (CHANNELS + CHANNELS + 1)
    assert found.low_bit_macs == behind
