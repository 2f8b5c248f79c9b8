"""Reduced blocks of published networks that move, split, join and enlarge maps, with N2UQ
quantizers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from n2uqc.models.quantizers import LTQ, QuantizedConv2d


def quantized(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Sequential:
    """Quantizer, convolution, BN."""
    return nn.Sequential(
        LTQ(2),
        QuantizedConv2d(inputs, outputs, kernel, 2, padding=kernel // 2, groups=groups),
        nn.BatchNorm2d(outputs),
    )


def stem(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


class ShuffleUnit(nn.Module):
    """A unit of ShuffleNetV2: half of the channels pass, both halves are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            quantized(half, half, 1), nn.PReLU(half), quantized(half, half, 3, half),
            quantized(half, half, 1), nn.PReLU(half),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        kept, taken = x.chunk(2, dim=1)
        y = torch.cat([kept, self.branch(taken)], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Dense(nn.Module):
    """A block of DenseNet: every layer reads all maps before it."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + k * growth), nn.ReLU(),
                LTQ(2), QuantizedConv2d(channels + k * growth, growth, 3, 2, padding=1),
            )
            for k in range(layers)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


def shufflenet() -> nn.Module:
    return nn.Sequential(stem(8), nn.PReLU(8), ShuffleUnit(8), ShuffleUnit(8), head(8))


def densenet() -> nn.Module:
    return nn.Sequential(
        stem(4), Dense(4, 4, 3), nn.BatchNorm2d(16), nn.ReLU(), quantized(16, 8, 1),
        nn.AvgPool2d(2), head(8),
    )  # fmt: skip


class QuantizedTransposed(nn.ConvTranspose2d):
    """A transposed convolution whose weights are odd multiples of a scale per output channel."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        scale = self.weight.abs().mean(dim=(0, 2, 3), keepdim=True).detach()
        clipped = (self.weight / scale).clamp(-1, 1)
        weight = scale * (torch.round((clipped + 1) * 1.5) / 1.5 - 1)
        return nn.functional.conv_transpose2d(
            x, weight, self.bias, self.stride, self.padding, self.output_padding, self.groups
        )


class UNet(nn.Module):
    """Down, up by nearest resizing and by a transposed convolution, joined with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = quantized(6, 6, 3), quantized(6, 8, 3)
        self.third = quantized(8, 8, 3)
        self.up = nn.Sequential(
            nn.PReLU(8), LTQ(2), QuantizedTransposed(8, 6, 2, 2, bias=False), nn.BatchNorm2d(6)
        )
        self.near, self.joined = nn.Upsample(scale_factor=2), quantized(12, 6, 3)
        self.last = nn.Sequential(quantized(14, 4, 3), nn.Conv2d(4, 2, 1))
        self.stem = stem(6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        a = self.first(x)
        b = self.second(nn.functional.max_pool2d(a, 2))
        c = self.near(self.third(nn.functional.max_pool2d(b, 2)))
        d = self.joined(torch.cat([self.up(c), a], 1))
        return self.last(torch.cat([d, self.near(b)], 1))


def decoder() -> nn.Module:
    """Transposed convolutions of an uneven kernel and by channel, and a pixel shuffle."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.PReLU(8),
        LTQ(2), QuantizedTransposed(8, 6, 3, 2, 1, 1), nn.BatchNorm2d(6), nn.PReLU(6),
        LTQ(2), QuantizedTransposed(6, 6, 4, 2, 1, groups=6, bias=False), nn.BatchNorm2d(6),
        LTQ(2), QuantizedConv2d(6, 8, 3, 2, padding=1), nn.BatchNorm2d(8),
        nn.PixelShuffle(2), nn.PReLU(2), nn.Conv2d(2, 3, 3, padding=1),
    )  # fmt: skip


class QuantizedLinear(nn.Linear):
    """A layer on the last axis, whose weights are odd multiples of a scale per output."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs().mean(dim=1, keepdim=True).detach()
        clipped = (self.weight / scale).clamp(-1, 1)
        weight = scale * (torch.round((clipped + 1) * 1.5) / 1.5 - 1)
        return nn.functional.linear(x, weight, self.bias)


class Mixer(nn.Module):
    """Layers across tokens, then across channels (MLP-Mixer, without its normalization)."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, 2, stride=2)
        self.across = self._layers(tokens)
        self.along = self._layers(channels)
        self.head = nn.Linear(channels, 5)

    @staticmethod
    def _layers(width: int) -> nn.Sequential:
        return nn.Sequential(
            LTQ(2), QuantizedLinear(width, 6), nn.ReLU(), LTQ(2), QuantizedLinear(6, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.across(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.along(x)
        return self.head(x.mean(dim=1))


def bilinear() -> nn.Module:
    """Linear resizing, both by remainders and by position, and a margin that reflects."""
    return nn.Sequential(
        stem(4), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReflectionPad2d(1),
        LTQ(2), QuantizedConv2d(4, 4, 3, 2), nn.BatchNorm2d(4),
        nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True), quantized(4, 3, 3),
    )  # fmt: skip


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "shufflenet": shufflenet,
    "densenet": densenet,
    "unet": UNet,
    "decoder": decoder,
    "mixer": lambda: Mixer(16, 8),
    "bilinear": bilinear,
}
