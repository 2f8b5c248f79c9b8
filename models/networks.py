"""Residual networks of N2UQ blocks, and the same networks without quantizers.

Module names follow torchvision's ResNet and, inside a block, the published N2UQ checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import BasicBlock, Bottleneck, Downsample, conv
from .evaluating import evaluating


class ResidualNetwork(nn.Module):
    """Float stem, stages of blocks, global average pool, float linear layer.

    Every stage after the first halves the image and sets the width of its blocks. The defaults are
    the network for 8x8 gray images; ResNet-18 is widths (64, 128, 256, 512), blocks (2, 2, 2, 2),
    in_channels 3, classes 1000, stem_kernel 7, stem_stride 2, maxpool True.

    Args:
        bits: Bits of weights and activations, or None for the float twin, whose state dict is that
            of the quantized network without the quantizers' own parameters.
        widths: Width of the blocks of each stage; the stem has that of the first as channels.
        blocks: Blocks of each stage.
        in_channels: Channels of the image.
        classes: Outputs of the linear layer.
        stem_kernel: Kernel of the stem convolution, odd.
        stem_stride: Its stride.
        maxpool: Follow the stem by a 3x3 max pool of stride 2.
        downsample: Kind of skip where a stage begins: "quantized" or "float".
        block: Kind of block.

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
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"widths={tuple(widths)} and blocks={tuple(blocks)} differ in length")
        self.bits = bits
        self.conv1 = conv(in_channels, widths[0], stem_kernel, stem_stride, None)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if maxpool else nn.Identity()
        self.stages = len(widths)
        inputs = widths[0]
        for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = []
            for position in range(count):
                stride = 2 if index > 0 and position == 0 else 1
                stage.append(block(inputs, width, stride, bits, downsample))
                inputs = width * block.expansion
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
    with torch.no_grad(), evaluating(network, hooks):
        network(image)
    return total
