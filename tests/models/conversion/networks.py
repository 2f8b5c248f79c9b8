"""Float networks as users write them, by name, with the shape of a sample; for the tests."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    """Return a convolution with its BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """A stem, a block with a skip connection and a shared ReLU, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = conv(3, 8), conv(8, 8), conv(8, 8)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(8, 5)

    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(self.b(self.relu(self.a(x))) + x)
        x = x.mean((2, 3))
        scores: Tensor = self.head(x if scale is None else x * scale)
        return scores


class Inverted(nn.Module):
    """MobileNetV2's block: a layer whose input is negative too, a depthwise one, ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.linear = conv(3, 8), conv(8, 6, 1)
        self.wide, self.depth, self.narrow = conv(6, 12, 1), conv(12, 12, 3, 12), conv(12, 6, 1)
        self.act, self.head = nn.ReLU6(), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(self.act(self.stem(x)))
        x = x + self.narrow(self.act(self.depth(self.act(self.wide(x)))))
        scores: Tensor = self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return scores


class Joined(nn.Module):
    """Branches that are concatenated, curved activations, a Dropout, a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = conv(3, 8), conv(8, 4), conv(8, 4, 1)
        self.whole, self.pool = conv(8, 8), nn.MaxPool2d(2)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.stem(x))
        x = torch.cat([F.hardswish(self.left(x)), F.gelu(self.right(x))], 1)
        x = self.pool(F.leaky_relu(self.whole(x), 0.1))
        scores: Tensor = self.head(self.drop(F.dropout(x.mean((2, 3)), 0.5, self.training)))
        return scores


class Functional(nn.Module):
    """Layers that are functions of parameters, one of them of weights that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 10)
        self.weight, self.bias = nn.Parameter(torch.randn(10, 10) / 3), nn.Parameter(torch.ones(10))
        self.last, self.gain = nn.Parameter(torch.randn(4, 10)), nn.Parameter(torch.ones(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = F.linear(F.relu(F.linear(x, self.weight, bias=self.bias)), self.weight)
        return F.linear(x.relu(), self.last * self.gain)


class Twice(nn.Module):
    """A layer that is called three times, on inputs of very different size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        for factor in (1.0, 8.0, 64.0):
            x = torch.relu(self.again(factor * x))
        scores: Tensor = self.last(x / 512)
        return scores


class Series(nn.Module):
    """One dimension: dilation, groups, PReLU, Tanh, weight norm."""

    def __init__(self) -> None:
        super().__init__()
        norm = torch.nn.utils.parametrizations.weight_norm
        self.body = nn.Sequential(
            nn.Conv1d(2, 8, 5, padding=2), nn.BatchNorm1d(8), nn.PReLU(8),
            norm(nn.Conv1d(8, 8, 3, padding=2, dilation=2)), nn.Tanh(),
            nn.Conv1d(8, 8, 3, stride=2, padding=1, groups=4), nn.BatchNorm1d(8), nn.Sigmoid(),
            nn.AvgPool1d(2), nn.Conv1d(8, 4, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.body(x)
        return values


def mlp() -> nn.Module:
    """Return a network of features that gives values, not scores."""
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ELU(),
        nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1),
    )  # fmt: skip


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (Residual, (3, 8, 8)),
    "inverted": (Inverted, (3, 8, 8)),
    "joined": (Joined, (3, 8, 8)),
    "functional": (Functional, (6,)),
    "twice": (Twice, (6,)),
    "series": (Series, (2, 16)),
    "mlp": (mlp, (6,)),
}


def made(name: str, count: int = 96) -> tuple[nn.Module, Tensor]:
    """Return a network whose BatchNorms have seen samples, and the samples."""
    build, shape = NETWORKS[name]
    torch.manual_seed(1)
    network, x = build(), torch.randn(count, *shape)
    with torch.no_grad():
        for _ in range(30):
            network(x)
    return network.eval(), x
