"""MobileNetV2: Sandler et al., "Inverted Residuals and Linear Bottlenecks" (arXiv 1801.04381)."""

from __future__ import annotations

from torch import Tensor, nn

from ..blocks import InvertedResidual, conv
from ..pact import PACT
from . import Variant

STEM, LAST = 32, 1280
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, blocks and stride of the first block of each stage (table 2)."""
HALVINGS = 5
POOL = 7


def build(name: str, variant: Variant) -> MobileNetV2:
    """Return the network of a variant; the family has one name."""
    return MobileNetV2(variant)


class MobileNetV2(nn.Module):
    """Float stem, inverted residuals, a PACT and a quantized 1x1 convolution, pool, linear layer.

    The published network pools windows of 7x7 and uses only the first. This network does the same
    on each axis where the last map has 7 to 13 positions. On an axis of another size it pools the
    whole axis; there the published network would fail or mix positions of an image into the batch.

    Args:
        variant: Sizes; the network takes images of `variant.image` only.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        inputs = variant.channels(STEM)
        features: list[nn.Module] = [Stem(3, inputs)]
        for expansion, published, blocks, first_stride in STAGES:
            outputs = variant.channels(published)
            for position in range(blocks):
                stride = first_stride if position == 0 else 1
                middle = inputs * expansion
                features.append(InvertedResidual(inputs, middle, outputs, stride, variant.bits))
                inputs = outputs
        self.width = variant.channels(LAST)
        features.append(Last(inputs, self.width, variant.bits))
        self.feature = nn.ModuleList(features)
        height, width = (_window(size) for size in variant.image)
        self.pool1 = nn.AvgPool2d((height, width))
        self.fc = nn.Linear(self.width, variant.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores, float32 (N, classes), of images x, float32 (N, 3, *image)."""
        for layer in self.feature:
            x = layer(x)
        # One position is left; the published network reshapes like this.
        scores: Tensor = self.fc(self.pool1(x).view(-1, self.width))
        return scores


def _window(size: int) -> int:
    """Return the window of the pool on an axis of the image."""
    left = -(-size // 2**HALVINGS)  # each halving rounds up
    return POOL if POOL <= left < 2 * POOL else left


class Stem(nn.Module):
    """conv3x3 of stride 2 → BN → ReLU6, all float."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, 2, None)
        self.bn1 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(self.bn1(self.conv1(x)))


class Last(nn.Module):
    """PACT → conv1x1 → BN → ReLU6."""

    def __init__(self, inputs: int, outputs: int, bits: int | None) -> None:
        super().__init__()
        self.quan1: nn.Module = nn.Identity() if bits is None else PACT(bits)
        self.conv1 = conv(inputs, outputs, 1, 1, bits)
        self.bn1 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(self.bn1(self.conv1(self.quan1(x))))
