"""PACT: uniform activation quantizer with a learned clipping level.

Source: Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan, "PACT: Parameterized Clipping
Activation for Quantized Neural Networks" (arXiv 1805.06085), section 3. The published N2UQ
MobileNetV2 has one, before its last convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .quantizers import levels_above_zero


class PACT(nn.Module):
    """Clips to [0, c] and rounds to 2**bits evenly spaced levels; n = 2**bits - 1:

        y = round(clip(x, 0, c) * n/c) * c/n      ties to even

    Backward passes the gradient to x where 0 < x < c, and to c where x >= c (paper, equation 3).

    Args:
        bits: 2 to 8; another value raises ValueError.
        clip: Initial value of clip_val.

    Attributes:
        clip_val: float32 (1,), the clipping level c.
    """

    def __init__(self, bits: int, clip: float = 2.0) -> None:
        super().__init__()
        self.steps = levels_above_zero(bits)
        self.bits = bits
        self.clip_val = nn.Parameter(torch.tensor([clip]))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        x = torch.relu(x)
        x = torch.where(x < self.clip_val, x, self.clip_val)
        per_unit = self.steps / self.clip_val
        level = torch.round(x * per_unit) / per_unit
        return level.detach() + x - x.detach()

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"
