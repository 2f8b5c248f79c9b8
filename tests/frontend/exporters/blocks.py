"""Small networks of published blocks, and the ways in which their files come about."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (2, 3, 12, 12)


class Uniform(nn.Module):
    """round(clip(x/s)) * s, as LSQ and its kind export."""

    def __init__(self, step: float = 0.11, low: int = 0, high: int = 15) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step))
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return torch.round(torch.clamp(x / self.step, self.low, self.high)) * self.step


def rounded(weight: Tensor) -> Tensor:
    """4-bit weights, one scale a filter."""
    step = weight.abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True) / 7
    return torch.round(weight / step) * step


class LowBitConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = rounded(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class LowBitLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, rounded(self.weight), self.bias)


class Block(nn.Module):
    """A real stem, then a low-bit convolution, BatchNorm, an activation, a quantizer, a head."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.first = Uniform(0.2)
        self.conv = LowBitConv(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.activation = activation
        self.second = Uniform(0.11, -8, 7)
        self.head = nn.Linear(4, 3)

    def body(self, x: Tensor) -> Tensor:
        x = self.conv(self.first(self.stem(x)))
        return self.second(self.activation(self.norm(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class Excitation(Block):
    """Squeeze-and-excite: a gate of each channel."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU())
        self.squeeze, self.excite = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        self.third = Uniform(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.third(x * gate), 1), 1))


class Padded(Block):
    """Pads of their own, ReLU6, pooling, and a view computed from the batch."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU6())
        self.conv = LowBitConv(4, 4, 3, groups=2)
        self.fc = LowBitLinear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(self.first(self.stem(x)), (1, 1, 1, 1))
        x = self.second(self.activation(self.norm(self.conv(x))))
        return self.fc(F.avg_pool2d(x, 2).view(x.size(0), -1))


class Skip(Block):
    """A skip connection and a concatenation."""

    def __init__(self) -> None:
        super().__init__(nn.LeakyReLU(0.1))
        self.head = nn.Linear(8, 3)
        self.other = LowBitConv(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(self.stem(x))
        b = self.second(self.activation(self.norm(self.conv(a)) + a))
        c = self.second(F.max_pool2d(self.other(b), 3, 2, 1))
        return self.head(torch.cat([c, F.max_pool2d(b, 2)], 1).mean((2, 3)))


class Sequence(nn.Module):
    """1-D convolutions, one dilated and grouped."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 4, 3, padding=1), nn.Conv1d(4, 6, 3, dilation=2, groups=2)
        self.norm, self.quantizer = nn.BatchNorm1d(6), Uniform()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.quantizer(F.relu(self.a(x.flatten(2))))
        return self.head(self.quantizer(F.silu(self.norm(self.b(x)))).mean(-1))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "SiLU": nn.SiLU, "GELU": nn.GELU, "GELU tanh": lambda: nn.GELU(approximate="tanh"),
    "Hardswish": nn.Hardswish, "Hardsigmoid": nn.Hardsigmoid, "ELU": nn.ELU,
    "Softplus": nn.Softplus, "Mish": nn.Mish, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh,
    "ReLU6": nn.ReLU6, "PReLU": lambda: nn.PReLU(4), "SELU": nn.SELU, "LogSigmoid": nn.LogSigmoid,
    "Hardtanh": nn.Hardtanh, "Softsign": nn.Softsign,
}  # fmt: skip
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{name: (lambda make=make: Block(make())) for name, make in ACTIVATIONS.items()},
    "squeeze-and-excite": Excitation, "padded": Padded, "skip": Skip, "sequence": Sequence,
}  # fmt: skip


def network(name: str) -> nn.Module:
    """A network with trained-looking statistics, in evaluation mode."""
    torch.manual_seed(len(name))
    net = NETWORKS[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return net.eval()


def images() -> Tensor:
    return torch.randn(*IMAGE, generator=torch.Generator().manual_seed(3))


def exported(net: nn.Module, dynamo: bool, opset: int) -> onnx.ModelProto:
    """The network's file, by one of PyTorch's two exporters."""
    target = io.BytesIO()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                net, (images(),), None if dynamo else target, dynamo=dynamo, opset_version=opset,
                verbose=False,
            )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    if program is not None:
        model: onnx.ModelProto = program.model_proto
        return model
    return onnx.load_from_string(target.getvalue())


def optimized(model: onnx.ModelProto, folder: Path, level: str = "BASIC") -> onnx.ModelProto:
    """The file after ONNX Runtime's graph optimizations: BASIC ones are what onnxsim does too."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    return onnx.load(folder / "optimized.onnx")
