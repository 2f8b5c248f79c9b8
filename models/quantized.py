"""Layers with real weights that any quantizer makes low-bit."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LowBitConv2d(nn.Conv2d):
    """Convolution without bias that takes `quantized_weight`, which its subclasses state.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups: As of torch's Conv2d.

    Attributes:
        weight: float32 (O, I/groups, kh, kw), the real weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        groups: int,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        )

    def quantized_weight(self) -> Tensor:
        """Return the weights that are multiplied, of the shape of `weight`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x, float32 (N, I, H, W), with the quantized weights."""
        weight = self.quantized_weight()
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)


class WeightQuantizedConv2d(LowBitConv2d):
    """Convolution without bias whose weights pass a quantizer, whatever the activations do.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups: As of torch's Conv2d.
        quantizer: Module from float32 (O, I/groups, kh, kw) to the same shape.

    Attributes:
        weight: float32 (O, I/groups, kh, kw), the real weights.
        quantizer: The module given, with its learned parameters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        quantizer: nn.Module,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups)
        self.quantizer = quantizer

    def quantized_weight(self) -> Tensor:
        """Return what the quantizer makes of the weights."""
        weight: Tensor = self.quantizer(self.weight)
        return weight


class WeightQuantizedLinear(nn.Linear):
    """Product without bias whose weights pass a quantizer, whatever the activations do.

    Args:
        in_features, out_features: As of torch's Linear.
        quantizer: Module from float32 (O, I) to the same shape.

    Attributes:
        weight: float32 (O, I), the real weights.
        quantizer: The module given, with its learned parameters.
    """

    def __init__(self, in_features: int, out_features: int, quantizer: nn.Module) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.quantizer = quantizer

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x, float32 (..., I), with the quantized weights."""
        return F.linear(x, self.quantizer(self.weight))
