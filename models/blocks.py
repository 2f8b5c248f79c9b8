"""Blocks of N2UQ networks. Names inside a block are those of the published checkpoints.

`bits=None` leaves every quantizer out of a block: the float twin, with the same other parameters.
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
    """Bias, PReLU and bias, all per channel: what stands before every quantizer."""
    return LearnableBias(channels), nn.PReLU(channels), LearnableBias(channels)


def quantizer(bits: int | None) -> nn.Module:
    """An LTQ, or nothing."""
    return nn.Identity() if bits is None else LTQ(bits)


def conv(
    inputs: int, outputs: int, kernel: int, stride: int, bits: int | None, groups: int = 1
) -> nn.Module:
    """A convolution without bias, padded to keep the size at stride 1; quantized unless float."""
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


class BasicBlock(nn.Module):
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
        self.bias11, self.prelu1, self.bias12 = triple(inputs)
        self.quan1 = quantizer(bits)
        self.conv1 = conv(inputs, width, 3, stride, bits)
        self.bn1 = nn.BatchNorm2d(width)
        self.bias21, self.prelu2, self.bias22 = triple(width)
        self.quan2 = quantizer(bits)
        self.conv2 = conv(width, width, 3, 1, bits)
        self.bn2 = nn.BatchNorm2d(width)
        self.bias31, self.prelu3, self.bias32 = triple(width)
        self.downsample = _downsample(inputs, width, stride, bits, downsample)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bias12(self.prelu1(self.bias11(x)))
        y = self.bn1(self.conv1(self.quan1(y)))
        y = self.bias22(self.prelu2(self.bias21(y)))
        y = self.bn2(self.conv2(self.quan2(y)))
        y = y + (x if self.downsample is None else self.downsample(x))
        out: Tensor = self.bias32(self.prelu3(self.bias31(y)))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a real-valued skip connection (ResNet-50).

    Each convolution stands behind a triple and an LTQ and before a BN, as in `BasicBlock`; the
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
        self.bias11, self.prelu1, self.bias12 = triple(inputs)
        self.quan1 = quantizer(bits)
        self.conv1 = conv(inputs, width, 1, 1, bits)
        self.bn1 = nn.BatchNorm2d(width)
        self.bias21, self.prelu2, self.bias22 = triple(width)
        self.quan2 = quantizer(bits)
        self.conv2 = conv(width, width, 3, stride, bits)
        self.bn2 = nn.BatchNorm2d(width)
        self.bias31, self.prelu3, self.bias32 = triple(width)
        self.quan3 = quantizer(bits)
        self.conv3 = conv(width, outputs, 1, 1, bits)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.bias01, self.prelu0, self.bias02 = triple(outputs)
        self.downsample = _downsample(inputs, outputs, stride, bits, downsample)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bias12(self.prelu1(self.bias11(x)))
        y = self.bn1(self.conv1(self.quan1(y)))
        y = self.bias22(self.prelu2(self.bias21(y)))
        y = self.bn2(self.conv2(self.quan2(y)))
        y = self.bias32(self.prelu3(self.bias31(y)))
        y = self.bn3(self.conv3(self.quan3(y)))
        y = y + (x if self.downsample is None else self.downsample(x))
        out: Tensor = self.bias02(self.prelu0(self.bias01(y)))
        return out


class InvertedResidual(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolutions (MobileNetV2), x added where the shape stays.

    Each convolution stands behind a triple and an LTQ and before a BN; nothing follows the sum.

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
        self.bias11, self.prelu1, self.bias12 = triple(inputs)
        self.quan1 = quantizer(bits)
        self.conv1 = conv(inputs, middle, 1, 1, bits)
        self.bn1 = nn.BatchNorm2d(middle)
        self.bias21, self.prelu2, self.bias22 = triple(middle)
        self.quan2 = quantizer(bits)
        self.conv2 = conv(middle, middle, 3, stride, bits, groups=middle)
        self.bn2 = nn.BatchNorm2d(middle)
        self.bias31, self.prelu3, self.bias32 = triple(middle)
        self.quan3 = quantizer(bits)
        self.conv3 = conv(middle, outputs, 1, 1, bits)
        self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bias12(self.prelu1(self.bias11(x)))
        y = self.bn1(self.conv1(self.quan1(y)))
        y = self.bias22(self.prelu2(self.bias21(y)))
        y = self.bn2(self.conv2(self.quan2(y)))
        y = self.bias32(self.prelu3(self.bias31(y)))
        out: Tensor = self.bn3(self.conv3(self.quan3(y)))
        return out + x if self.residual else out
