"""Residual networks of N2UQ blocks, and the same networks without quantizers.

Module names follow torchvision's ResNet and, inside a block, the published N2UQ checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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


def _quantizer(bits: int | None) -> nn.Module:
    return nn.Identity() if bits is None else LTQ(bits)


def _conv(inputs: int, outputs: int, kernel: int, stride: int, bits: int | None) -> nn.Module:
    padding = kernel // 2
    if bits is None:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return QuantizedConv2d(inputs, outputs, kernel, bits, stride, padding)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a real-valued skip connection.

    x → +b11 → PReLU → +b12 → LTQ → conv3x3 → BN → +b21 → PReLU → +b22 → LTQ → conv3x3 → BN
      → + skip(x) → +b31 → PReLU → +b32

    The skip is x itself, or LTQ → conv1x1 → BN (`downsample="quantized"`), or conv1x1 → BN
    ("float"), where stride or width change. `bits=None` leaves every quantizer out.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, bits: int | None, downsample: Downsample
    ) -> None:
        super().__init__()
        self.bias11, self.prelu1, self.bias12 = _triple(inputs)
        self.quan1 = _quantizer(bits)
        self.conv1 = _conv(inputs, outputs, 3, stride, bits)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bias21, self.prelu2, self.bias22 = _triple(outputs)
        self.quan2 = _quantizer(bits)
        self.conv2 = _conv(outputs, outputs, 3, 1, bits)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.bias31, self.prelu3, self.bias32 = _triple(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            skip_bits = bits if downsample == "quantized" else None
            layers = [_conv(inputs, outputs, 1, stride, skip_bits), nn.BatchNorm2d(outputs)]
            if downsample == "quantized":
                layers.insert(0, _quantizer(bits))
            self.downsample = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bias12(self.prelu1(self.bias11(x)))
        y = self.bn1(self.conv1(self.quan1(y)))
        y = self.bias22(self.prelu2(self.bias21(y)))
        y = self.bn2(self.conv2(self.quan2(y)))
        y = y + (x if self.downsample is None else self.downsample(x))
        out: Tensor = self.bias32(self.prelu3(self.bias31(y)))
        return out


def _triple(channels: int) -> tuple[LearnableBias, nn.PReLU, LearnableBias]:
    return LearnableBias(channels), nn.PReLU(channels), LearnableBias(channels)


class ResidualNetwork(nn.Module):
    """Float stem, stages of `BasicBlock`s, global average pool, float linear layer.

    Every stage after the first halves the image and sets the width of its blocks. The defaults are
    the network for 8x8 grey images; ResNet-18 is widths (64, 128, 256, 512), blocks (2, 2, 2, 2),
    in_channels 3, classes 1000, stem_kernel 7, stem_stride 2, maxpool True.

    Args:
        bits: Bits of weights and activations, or None for the float twin, whose state dict is that
            of the quantized network without the quantizers' own parameters.
        widths: Channels of each stage; the stem has those of the first.
        blocks: Blocks of each stage.
        in_channels: Channels of the image.
        classes: Outputs of the linear layer.
        stem_kernel: Kernel of the stem convolution, odd.
        stem_stride: Its stride.
        maxpool: Follow the stem by a 3x3 max pool of stride 2.
        downsample: Kind of skip where a stage begins: "quantized" or "float".

    Raises:
        ValueError: `widths` and `blocks` differ in length, or `bits` is not 2 to 8.
    """

    def __init__(
        self,
        bits: int | None = 2,
        widths: Sequence[int] = (16, 32),
        blocks: Sequence[int] = (1, 1),
        in_channels: int = 1,
        classes: int = 10,
        stem_kernel: int = 3,
        stem_stride: int = 1,
        maxpool: bool = False,
        downsample: Downsample = "quantized",
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"widths={tuple(widths)} and blocks={tuple(blocks)} differ in length")
        self.bits = bits
        self.conv1 = _conv(in_channels, widths[0], stem_kernel, stem_stride, None)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if maxpool else nn.Identity()
        self.stages = len(widths)
        inputs = widths[0]
        for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = []
            for block in range(count):
                stride = 2 if index > 0 and block == 0 else 1
                stage.append(BasicBlock(inputs, width, stride, bits, downsample))
                inputs = width
            self.add_module(f"layer{index + 1}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores, float32 (N, classes), of images x, float32 (N, in_channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for index in range(self.stages):
            x = self.get_submodule(f"layer{index + 1}")(x)
        scores: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return scores


def count_macs(network: nn.Module, image: Tensor) -> int:
    """Multiply-accumulates of all convolutions and linear layers for `image`, (1, C, H, W)."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += output.numel() * layer.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return total
