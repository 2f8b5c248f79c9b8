"""ResNet-18: He, Zhang, Ren, Sun, "Deep Residual Learning" (arXiv 1512.03385), table 1."""

from __future__ import annotations

from ..blocks import BasicBlock
from ..networks import ResidualNetwork
from . import Variant


def build(variant: Variant) -> ResidualNetwork:
    """The network of a variant."""
    return ResidualNetwork(
        bits=variant.bits,
        widths=[variant.channels(width) for width in (64, 128, 256, 512)],
        blocks=(2, 2, 2, 2),
        in_channels=3,
        classes=variant.classes,
        stem_kernel=7,
        stem_stride=2,
        maxpool=True,
        downsample=variant.downsample,
        block=BasicBlock,
    )
