"""LCQ: a learned function compresses numbers before rounding, and its inverse expands them.

Source: Yamamoto, "Learnable Companding Quantization for Accurate Low-bit Neural Networks", CVPR
2021 (arXiv 2103.07156), whose code was not published. Gradients, the normalization of weights,
ternary weights at two bits and first clipping levels are what the code of nuLSQ's authors computes
for it (github.com/DensoITLab/nuLSQ). Levels are not rounded to a wider grid for tables, as the
paper does for inference: the compiler rounds and bounds them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .first_batch import FirstBatch, first_step
from .quantizers import levels_above_zero
from .straight_through import add_gradient

PIECES = 16
"""Of the compressing function, each over the same length."""


def _companded(size: Tensor, theta: Tensor, high: int) -> Tensor:
    """Compress, round and expand numbers in [0, 1]."""
    rise = torch.softmax(theta, 0)
    slope, begin = rise * PIECES, torch.cat([rise.new_zeros(1), torch.cumsum(rise, 0)[:-1]])
    even = torch.arange(high + 1, device=rise.device, dtype=rise.dtype) / high
    at = (even.unsqueeze(1) >= begin[1:]).sum(1)
    # Where a piece hardly rises, the quotient is noise.
    within = ((even - begin[at]) / slope[at]).clamp(0, 1 / PIECES)
    levels = within + at / PIECES
    known = size.detach()
    piece = torch.floor(known * PIECES).clamp(max=PIECES - 1)
    index = piece.long()
    bent = slope[index] * (known - piece / PIECES) + begin[index]
    code = torch.round(bent.detach() * high).long()
    steep = (1 / slope[at]).detach()
    return add_gradient(levels[code], bent * steep[code] + size)


class LCQ(FirstBatch):
    """Activation quantizer; n = 2**bits - 1, v = clip(x / c, 0, 1):

        y = c * g(round(n * f(v)) / n)      ties to even

    f rises over 16 equal pieces of [0, 1] by softmax(theta), linearly in each, and g is its
    inverse. Backward passes the gradient straight to x where 0 < x < c, whatever f and g are; the
    derivative to c is y/c - x/c there and 1 above. That to theta is exact but for the rounding,
    which counts as the identity.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        clip_val: float32 (1,), the clipping level c; 1 until the first batch in training that is
            not all 0, then 2 * mean|x| * sqrt(n) of that batch.
        theta: float32 (16,), first 0: evenly spaced levels.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.high = levels_above_zero(bits)
        self.clip_val = nn.Parameter(torch.ones(1))
        self.theta = nn.Parameter(torch.zeros(PIECES))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        self.see(x)
        unit = torch.clamp(x / self.clip_val, 0, 1)
        return _companded(unit, self.theta, self.high) * self.clip_val

    def set_from(self, x: Tensor) -> bool:
        """Set the clipping level."""
        clip = first_step(x, self.high) * self.high
        if clip > 0:
            self.clip_val.data.fill_(clip)
        return clip > 0


class LCQWeight(LCQ):
    """Weight quantizer: a sign and n = 2**(bits-1) - 1 levels, of normalized weights:

        v = (w - mean(w)) / deviation(w)
        y = deviation(w) * sign(v) * c * g(round(n * f(min(|v|/c, 1))) / n)

    with c from the first v. Backward is that of `LCQ` on both sides of 0, and exact for mean
    and deviation. At two bits the levels are -c, 0 and c, and theta is not trained. The
    deviation of weights that are all equal counts as 1.

    Args:
        bits: 2 to 8; another value raises ValueError.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.high = 2 ** (bits - 1) - 1
        self.theta.requires_grad_(bits > 2)

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of any shape with at least two numbers."""
        variance = w.var()
        deviation = torch.where(variance > 0, variance, 1.0).sqrt()
        normal = (w - w.mean()) / deviation
        self.see(normal)
        unit = torch.clamp(normal.abs() / self.clip_val, max=1)
        size = _companded(unit, self.theta, self.high) * self.clip_val
        return torch.sign(normal) * size * deviation
