"""DoReFa: uniform quantizers without learned parameters.

Source: Zhou, Wu, Ni, Zhou, Wen, Zou, "DoReFa-Net: Training Low Bitwidth Convolutional Neural
Networks with Low Bitwidth Gradients" (arXiv 1606.06160), sections 2.2 to 2.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .quantizers import levels_above_zero
from .straight_through import round_straight


class DoReFa(nn.Module):
    """Activation quantizer; n = 2**bits - 1:

        y = round(n * clip(x, 0, 1)) / n      ties to even

    Backward passes the gradient to x where 0 <= x <= 1.

    Args:
        bits: 2 to 8; another value raises ValueError.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.steps = levels_above_zero(bits)
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        return round_straight(torch.clamp(x, 0, 1) * self.steps) / self.steps

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"


class DoReFaWeight(DoReFa):
    """Weight quantizer (equation 9); t = tanh(w), M = max|t| over the layer, n = 2**bits - 1:

        y = 2 * round(n * (t / (2M) + 1/2)) / n - 1      ties to even

    so that y is an odd integer in ±n over n. Backward takes the rounding for the identity and is
    exact otherwise, with the derivative of M. Where all weights are 0, M counts as 1.

    Args:
        bits: 2 to 8; another value raises ValueError.
    """

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of any shape."""
        squeezed = torch.tanh(w)
        most = squeezed.abs().max()
        unit = squeezed / (2 * torch.where(most > 0, most, 1.0)) + 0.5
        return 2 * round_straight(unit * self.steps) / self.steps - 1
