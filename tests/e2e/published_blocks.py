"""Reduced networks of published kinds with N2UQ quantizers, as people write them in PyTorch.

Each is small (a few thousand parameters) and holds what its family is known for: gates, shuffles,
joins, transposed convolutions, tokens, several outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2uqc.models.quantizers import LTQ, QuantizedConv2d


def quantized(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bits: int = 3
) -> nn.Sequential:
    """Quantizer, convolution, BatchNorm."""
    return nn.Sequential(
        LTQ(bits),
        QuantizedConv2d(inputs, outputs, kernel, bits, stride, kernel // 2, groups),
        nn.BatchNorm2d(outputs),
    )


def stem(outputs: int, activation: nn.Module, inputs: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), activation
    )


def classifier(channels: int, classes: int = 5) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Gate(nn.Module):
    """Squeeze-and-excite (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squash: nn.Module) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.squash = squash

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1))))
        return x * self.squash(gate)


class Inverted(nn.Module):
    """The block of MobileNetV2, V3 and EfficientNet."""

    def __init__(self, inputs, outputs, activation, gate=None, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            quantized(inputs, 2 * inputs, 1),
            activation(),
            quantized(2 * inputs, 2 * inputs, 3, stride, 2 * inputs),
            activation(),
            *([Gate(2 * inputs, gate())] if gate else []),
            quantized(2 * inputs, outputs, 1),
        )
        self.skip = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


def mobilenet_v3() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.Hardswish()),
        Inverted(8, 8, nn.Hardswish, nn.Hardsigmoid),
        Inverted(8, 12, nn.ReLU, stride=2),
        nn.Hardswish(),
        classifier(12),
    )


def efficientnet() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.SiLU()), Inverted(8, 8, nn.SiLU, nn.Sigmoid), nn.SiLU(), classifier(8)
    )


def efficientnet_lite() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.ReLU6(), stride=2),
        Inverted(8, 8, nn.ReLU6),
        Inverted(8, 12, nn.ReLU6, stride=2),
        classifier(12),
    )


class Shuffle(nn.Module):
    """ShuffleNetV2's units (Ma et al., ECCV 2018): split, one branch, join, shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            quantized(half, half, 1), nn.ReLU(), quantized(half, half, 3, 1, half), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        x = torch.cat([a, self.branch(b)], dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return nn.Sequential(stem(12, nn.ReLU()), Shuffle(12), Shuffle(12), classifier(12))


class Dense(nn.Module):
    """DenseNet's layer (Huang et al., CVPR 2017)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm, self.body = nn.BatchNorm2d(channels), quantized(channels, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(F.relu(self.norm(x)))], dim=1)


def densenet() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.ReLU()),
        Dense(8, 4),
        Dense(12, 4),
        quantized(16, 8, 1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        classifier(8),
    )


class UNet(nn.Module):
    """Two levels; the way up by a transposed convolution, or by nearest or bilinear resizing."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.stem = stem(8, nn.ReLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), quantized(8, 12, 3), nn.ReLU())
        self.up = (
            nn.ConvTranspose2d(12, 8, 2, 2)
            if up == "transposed"
            else nn.Sequential(nn.Upsample(scale_factor=2, mode=up), quantized(12, 8, 3), nn.ReLU())
        )
        self.join, self.head = quantized(16, 8, 3), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(F.relu(self.join(torch.cat([x, self.up(self.down(x))], dim=1))))


class Yolo(nn.Module):
    """Two heads on maps of two sizes, the finer one fed by the coarser (Redmon, Farhadi, 2018)."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.1)
        self.stem = stem(8, act, stride=2)
        self.body = nn.Sequential(quantized(8, 12, 3), act)
        self.deep = nn.Sequential(nn.MaxPool2d(2), quantized(12, 12, 3), act)
        self.coarse = nn.Conv2d(12, 6, 1)
        self.lateral = nn.Sequential(quantized(12, 8, 1), act, nn.Upsample(scale_factor=2))
        self.join = nn.Sequential(quantized(20, 12, 3), act)
        self.fine = nn.Conv2d(12, 6, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(self.stem(x))
        deep = self.deep(x)
        fine = self.fine(self.join(torch.cat([self.lateral(deep), x], dim=1)))
        return self.coarse(deep), fine


class QuantizedLinear(nn.Module):
    """A linear layer on the last axis whose weights are quantized like a 1x1 convolution's."""

    def __init__(self, inputs: int, outputs: int, bits: int = 3) -> None:
        super().__init__()
        self.conv = QuantizedConv2d(inputs, outputs, 1, bits)
        self.quantizer = LTQ(bits)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.quantizer(x).transpose(1, 2).unsqueeze(-1))
        return y.squeeze(-1).transpose(1, 2)


class Mixing(nn.Module):
    """MLP-mixer's layer (Tolstikhin et al., NeurIPS 2021), BatchNorm in LayerNorm's place."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.over_tokens = nn.Sequential(
            QuantizedLinear(tokens, 8), nn.GELU(), QuantizedLinear(8, tokens)
        )
        self.over_channels = nn.Sequential(
            QuantizedLinear(channels, 12), nn.GELU(), QuantizedLinear(12, channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[0](x.transpose(1, 2))
        x = x + self.over_tokens(y).transpose(1, 2)
        y = self.norms[1](x.transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(y)


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.layer, self.head = Mixing(9, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.layer(tokens).mean(dim=1))


class SEResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            quantized(channels, channels, 3),
            nn.ReLU(),
            quantized(channels, channels, 3),
            Gate(channels, nn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def se_resnet() -> nn.Module:
    return nn.Sequential(stem(8, nn.ReLU()), SEResidual(8), classifier(8))


def decoder() -> nn.Module:
    """An autoencoder with transposed convolutions and output padding."""
    return nn.Sequential(
        stem(8, nn.ReLU(), stride=2),
        quantized(8, 12, 3, 2),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 8, 3, 2, 1, output_padding=1),
        nn.ReLU(),
        quantized(8, 8, 3),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Sigmoid(),
    )


class PixelShuffle(nn.Module):
    """Super-resolution by depth to space (Shi et al., CVPR 2016), on a resized image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(stem(8, nn.PReLU(8)), quantized(8, 12, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), 2) + F.interpolate(x, scale_factor=2)


class Spotter(nn.Module):
    """A keyword spotter on 1-D signals."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(3, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ReLU())
        self.body = quantized(8, 12, 1)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x).unsqueeze(2)).squeeze(2)
        return F.log_softmax(self.head(F.relu(x).mean(dim=2)), dim=1)


NETWORKS = {
    "MobileNetV3": mobilenet_v3,
    "EfficientNet": efficientnet,
    "EfficientNet-Lite": efficientnet_lite,
    "ShuffleNetV2": shufflenet,
    "DenseNet": densenet,
    "U-Net transposed": lambda: UNet("transposed"),
    "U-Net nearest": lambda: UNet("nearest"),
    "U-Net bilinear": lambda: UNet("bilinear"),
    "YOLO": Yolo,
    "MLP-mixer": Mixer,
    "SE-ResNet": se_resnet,
    "decoder": decoder,
    "super-resolution": PixelShuffle,
    "keyword spotter": Spotter,
}
SHAPES = {"keyword spotter": (3, 24)}
