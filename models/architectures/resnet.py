"""ResNets: He, Zhang, Ren, Sun, "Deep Residual Learning" (arXiv 1512.03385), table 1."""

from __future__ import annotations

from ..blocks import BasicBlock, Bottleneck
from ..networks import ResidualNetwork
from . import Variant

WIDTHS = (64, 128, 256, 512)
STAGES: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}
"""Kind of block, and blocks of each stage."""


def build(name: str, variant: Variant) -> ResidualNetwork:
    """Return the network of a name and variant."""
    block, blocks = STAGES[name]
    return ResidualNetwork(
        bits=variant.bits,
        widths=[variant.channels(width) for width in WIDTHS],
        blocks=blocks,
        in_channels=3,
        classes=variant.classes,
        stem_kernel=7,
        stem_stride=2,
        maxpool=True,
        downsample=variant.downsample,
        block=block,
    )
