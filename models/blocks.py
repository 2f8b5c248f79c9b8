"""Blocks of N2UQ networks, with the parameter names of the published checkpoints.

With `bits=None` a block has no quantizers: the float twin, with otherwise the same parameters.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from .quantizers import LTQ, QuantizedConv2d

Downsample = Literal["quantized", "float"]


class LearnableBias(nn.Module):
    """Adds `bias`, float32 (1, C, 1, 1), to every pixel of a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def triple(channels: int) -> tuple[LearnableBias, nn.PReLU, LearnableBias]:
    """Return bias, PReLU and bias, all per channel, which precede every quantizer."""
    return LearnableBias(channels), nn.PReLU(channels), LearnableBias(channels)


def quantizer(bits: int | None) -> nn.Module:
    """Return an LTQ, or the identity if `bits` is None."""
    return nn.Identity() if bits is None else LTQ(bits)


def conv(
    inputs: int, outputs: int, kernel: int, stride: int, bits: int | None, groups: int = 1
) -> nn.Module:
    """Return a convolution without bias, padded to keep the size at stride 1;
    quantized unless float.
    """
    padding = kernel // 2
    if bits is None:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return QuantizedConv2d(inputs, outputs, kernel, bits, stride, padding, groups)


def _downsample(
    inputs: int, outputs: int, stride: int, bits: int | None, kind: Downsample
) -> nn.Sequential | None:
    """LTQ → conv1x1 → BN ("quantized") or conv1x1 → BN ("float") where the shape changes."""
    if stride == 1 and inputs == outputs:
        return None
    norm = nn.BatchNorm2d(outputs)
    if kind == "float":
        return nn.Sequential(conv(inputs, outputs, 1, stride, None), norm)
    return nn.Sequential(quantizer(bits), conv(inputs, outputs, 1, stride, bits), norm)


_TRIPLE = ("bias{}1", "prelu{}", "bias{}2")


class Block(nn.Module):
    """Numbered convolutions, each after a triple and a quantizer and before a BN.

    Convolution k is bias{k}1, prelu{k}, bias{k}2, quan{k}, conv{k}, bn{k}.
    """

    def set_triple(self, number: int, channels: int) -> None:
        """Create the triple of a number."""
        for name, part in zip(_TRIPLE, triple(channels), strict=True):
            setattr(self, name.format(number), part)

    def set_conv(
        self,
        number: int,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        bits: int | None,
        groups: int = 1,
    ) -> None:
        """Create convolution `number` with its triple, quantizer and BN."""
        self.set_triple(number, inputs)
        setattr(self, f"quan{number}", quantizer(bits))
        setattr(self, f"conv{number}", conv(inputs, outputs, kernel, stride, bits, groups))
        setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))

    def apply_triple(self, number: int, x: Tensor) -> Tensor:
        """x → bias → PReLU → bias."""
        for name in _TRIPLE:
            x = getattr(self, name.format(number))(x)
        return x

    def apply_conv(self, number: int, x: Tensor) -> Tensor:
        """x → triple → quantizer → convolution → BN."""
        x = self.apply_triple(number, x)
        for name in (f"quan{number}", f"conv{number}", f"bn{number}"):
            x = getattr(self, name)(x)
        return x


class BasicBlock(Block):
    """Two 3x3 convolutions and a real-valued skip connection (ResNet-18 and 34).

    x → +b11 → PReLU → +b12 → LTQ → conv3x3 → BN → +b21 → PReLU → +b22 → LTQ → conv3x3 → BN
      → + skip(x) → +b31 → PReLU → +b32

    Args:
        inputs: Channels of x.
        width: Channels of both convolutions and of the output.
        stride: Of the first convolution.
        bits: Bits of weights and activations, or None.
        downsample: Kind of skip where stride or channels change.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self, inputs: int, width: int, stride: int, bits: int | None, downsample: Downsample
    ) -> None:
        super().__init__()
        self.set_conv(1, inputs, width, 3, stride, bits)
        self.set_conv(2, width, width, 3, 1, bits)
        self.set_triple(3, width)
        self.downsample = _downsample(inputs, width, stride, bits, downsample)

    def forward(self, x: Tensor) -> Tensor:
        y = self.apply_conv(2, self.apply_conv(1, x))
        y = y + (x if self.downsample is None else self.downsample(x))
        return self.apply_triple(3, y)


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions and a real-valued skip connection (ResNet-50).

    Each convolution stands after a triple and an LTQ and before a BN, as in `BasicBlock`; the
    triple after the sum is named bias01, prelu0, bias02.

    Args:
        inputs: Channels of x.
        width: Channels of the first two convolutions; the output has four times as many.
        stride: Of the 3x3 convolution.
        bits: Bits of weights and activations, or None.
        downsample: Kind of skip where stride or channels change.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self, inputs: int, width: int, stride: int, bits: int | None, downsample: Downsample
    ) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.set_conv(1, inputs, width, 1, 1, bits)
        self.set_conv(2, width, width, 3, stride, bits)
        self.set_conv(3, width, outputs, 1, 1, bits)
        self.set_triple(0, outputs)
        self.downsample = _downsample(inputs, outputs, stride, bits, downsample)

    def forward(self, x: Tensor) -> Tensor:
        y = self.apply_conv(3, self.apply_conv(2, self.apply_conv(1, x)))
        y = y + (x if self.downsample is None else self.downsample(x))
        return self.apply_triple(0, y)


class InvertedResidual(Block):
    """1x1, depthwise 3x3 and 1x1 convolutions (MobileNetV2), x added where the shape stays.

    Each convolution stands after a triple and an LTQ and before a BN; nothing follows the sum.

    Args:
        inputs: Channels of x.
        middle: Channels of the depthwise convolution.
        outputs: Channels of the output.
        stride: Of the depthwise convolution.
        bits: Bits of weights and activations, or None.
    """

    def __init__(
        self, inputs: int, middle: int, outputs: int, stride: int, bits: int | None
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.set_conv(1, inputs, middle, 1, 1, bits)
        self.set_conv(2, middle, middle, 3, stride, bits, groups=middle)
        self.set_conv(3, middle, outputs, 1, 1, bits)

    def forward(self, x: Tensor) -> Tensor:
        y = self.apply_conv(3, self.apply_conv(2, self.apply_conv(1, x)))
        return y + x if self.residual else y
