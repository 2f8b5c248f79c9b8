"""The published N2UQ architectures, one family per file; torch is needed only to build a network.

To add one: `build(name, variant) -> nn.Module` in a family's file, and an entry in `architectures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from ..blocks import Downsample

BITS = (2, 3, 4)
"""Published bit widths."""


@dataclass(frozen=True)
class Variant:
    """The choice of a network of an architecture.

    Attributes:
        bits: Bits of weights and activations, or None for the float twin.
        downsample: Kind of skip where a stage begins, "quantized" or "float".
        classes: Outputs of the linear layer.
        image: Height and width of the images.
        width: Factor of all numbers of channels except the image's; 1 is the published network.
    """

    bits: int | None = 2
    downsample: Downsample = "float"
    classes: int = 1000
    image: tuple[int, int] = (224, 224)
    width: float = 1.0

    def channels(self, published: int) -> int:
        """Return the channels of a layer with `published` channels at full width; at least 4."""
        return max(4, round(published * self.width))


@dataclass(frozen=True)
class Architecture:
    """One published architecture.

    Attributes:
        name: Name in the published code.
        family: Name of its file in this package.
        bits: Published bit widths.
        downsamples: Whether a stage begins with a convolution in the skip connection.
    """

    name: str
    family: str = "resnet"
    bits: tuple[int, ...] = BITS
    downsamples: bool = True

    def build(self, variant: Variant) -> nn.Module:
        """Return a network with initial parameters, whose state dict has the published names.

        It takes float32 (N, 3, *variant.image) and gives float32 (N, variant.classes).

        Raises:
            ValueError: `bits` is not None or 2 to 8, the image has no pixel, or
                `downsample="quantized"` where there is no downsampling convolution.
        """
        if min(variant.image) < 1:
            raise ValueError(f"image={variant.image}: height and width are at least 1")
        if variant.downsample == "quantized" and not self.downsamples:
            raise ValueError(f"{self.name} has no downsampling convolution that could be quantized")
        network: nn.Module = import_module(f".{self.family}", __name__).build(self.name, variant)
        return network


architectures: dict[str, Architecture] = {
    known.name: known
    for known in (
        Architecture("resnet18"),
        Architecture("resnet34"),
        Architecture("resnet50"),
        Architecture("mobilenetv2", "mobilenetv2", bits=(4,), downsamples=False),
    )
}
