"""APoT: levels that are sums of powers of two, times a learned clipping level.

Source: Li, Dong, Wang, "Additive Powers-of-Two Quantization: An Efficient Non-uniform
Discretization for Neural Networks", ICLR 2020 (arXiv 1909.13144): levels of section 2.2,
reparameterized clipping of 2.3, weight normalization of 2.4. Terms for one and three bits and the
initial clipping levels are those of the published code for CIFAR-10; that for ImageNet starts
activations at 6 and differentiates the mean and deviation of weights, and the former passes the
gradient to weights beyond the clip too.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn

from .straight_through import nearest_straight

_ODD = {1: [[0, 1.0]], 3: [[0, 2.0**-1, 2.0**-2, 2.0**-4], [0, 2.0**-3]]}
EPSILON = 1e-5
"""Added to the deviation of weights."""


def apot_levels(bits: int) -> Tensor:
    """Return the 2**bits levels in [0, 1], ascending, float32.

    With two bits a term and m = bits/2 terms, level = (sum of p_i) / (its maximum), where
    p_i is 0 or 2**-i, 2**-(i+m), 2**-(i+2m).

    Raises:
        ValueError: bits is not 1, 2, 3, 4, 6 or 8.
    """
    if bits not in (1, 2, 3, 4, 6, 8):
        raise ValueError(f"bits={bits}: levels of APoT are defined for 1, 2, 3, 4, 6 and 8 bits")
    terms = bits // 2
    powers = _ODD.get(bits) or [
        [0, *(2.0 ** -(i + j * terms) for j in range(3))] for i in range(terms)
    ]
    found = sorted({sum(chosen) for chosen in product(*powers)})
    return torch.tensor([level / found[-1] for level in found])


class APoT(nn.Module):
    """Activation quantizer: y = c * nearest level to clip(x / c, 0, 1), the lower one in a tie.

    Backward passes the gradient to x where 0 < x < c; the derivative to c is level - x/c there
    and 1 above (the paper's reparameterized clipping function).

    Args:
        bits: 2, 3, 4, 6 or 8; another value raises ValueError.
        clip: Initial value of clip_val.

    Attributes:
        clip_val: float32 (1,), the clipping level c.
        levels: float32 (2**bits,), ascending from 0 to 1.
    """

    levels: Tensor

    def __init__(self, bits: int, clip: float = 8.0) -> None:
        super().__init__()
        if bits < 2:
            raise ValueError(f"bits={bits}: APoT of activations has 2 bits or more")
        self.bits = bits
        self.clip_val = nn.Parameter(torch.tensor([clip]))
        self.register_buffer("levels", apot_levels(bits), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        unit = torch.clamp(x / self.clip_val, 0, 1)
        return nearest_straight(unit, self.levels) * self.clip_val

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"


class APoTWeight(nn.Module):
    """Weight quantizer: a sign and the levels of bits - 1 bits, of normalized weights:

        v = (w - mean(w)) / (deviation(w) + 1e-5);  y = c * nearest level to clip(v / c, -1, 1)

    y keeps the scale of v, which a BatchNorm behind the layer takes up. Backward is that of `APoT`
    on both sides of 0; mean and deviation count as constants.

    Args:
        bits: 2, 3, 4, 5 or 7; another value raises ValueError.
        clip: Initial value of clip_val.

    Attributes:
        clip_val: float32 (1,), the clipping level c.
        levels: float32 (2**bits - 1,), ascending from -1 to 1.
    """

    levels: Tensor

    def __init__(self, bits: int, clip: float = 3.0) -> None:
        super().__init__()
        if bits not in (2, 3, 4, 5, 7):
            raise ValueError(f"bits={bits}: APoT of weights has 2, 3, 4, 5 or 7 bits")
        self.bits = bits
        self.clip_val = nn.Parameter(torch.tensor([clip]))
        positive = apot_levels(bits - 1)
        levels = torch.cat([-positive[1:].flip(0), positive])
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of any shape with at least two numbers."""
        constant = w.detach()
        normal = (w - constant.mean()) / (constant.std() + EPSILON)
        unit = torch.clamp(normal / self.clip_val, -1, 1)
        return nearest_straight(unit, self.levels) * self.clip_val

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"
