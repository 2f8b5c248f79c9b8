"""LQ-Nets: levels that are sums of a learned basis, which a closed form fits to the numbers.

Source: Zhang, Yang, Ye, Hua, "LQ-Nets: Learned Quantization for Highly Accurate and Compact Deep
Neural Networks", ECCV 2018. Formulas, first bases and gradients are what the published code
(github.com/microsoft/LQ-Nets) computes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .first_batch import FirstBatch
from .quantizers import levels_above_zero
from .straight_through import add_gradient

KEPT = 0.9
"""Share of the basis that a training step keeps."""
QUARTILE = 0.6745
"""Of a normal number: half of them are nearer to 0."""
EPSILON = 1e-4
"""Of the old basis in the least squares, which have one solution so."""


def _codes(bits: int, low: int) -> Tensor:
    """All combinations of `low` and 1, float32 (2**bits, bits), the first basis number fastest."""
    digits = torch.arange(2**bits).unsqueeze(1) >> torch.arange(bits) & 1
    return (digits * (1 - low) + low).float()


def _sorted_levels(basis: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Ascending levels (rows, 2**bits), and the code of each (rows, 2**bits, bits)."""
    levels, order = torch.sort(basis @ codes.T, 1)
    return levels, codes[order]


def _fitted(x: Tensor, at: Tensor, codes: Tensor, basis: Tensor) -> Tensor:
    """Move a basis towards the one of least square error for the codes that x has now.

    With B the codes of x, the solution of (B'B + e) v = B'x + e v_old.

    Args:
        x: Numbers, (rows, N).
        at: int64 (rows, N), the level of each.
        codes: The codes of levels, (rows, levels, bits).
        basis: (rows, bits).
    """
    # float32 would count no further than 2**24, and lose e beside B'B.
    x, codes, old = x.double(), codes.double(), basis.double()
    empty = x.new_zeros(codes.shape[:2])
    count = empty.scatter_add(1, at, torch.ones_like(x))
    total = empty.scatter_add(1, at, x)
    square = torch.einsum("rl,rli,rlj->rij", count, codes, codes)
    square = square + EPSILON * torch.eye(old.shape[1], dtype=x.dtype, device=x.device)
    right = torch.einsum("rl,rli->ri", total, codes) + EPSILON * old
    best: Tensor = torch.linalg.solve(square, right)
    return (KEPT * old + (1 - KEPT) * best).to(basis.dtype)


class LQNets(nn.Module):
    """Activation quantizer; y is the nearest level to x, the lower one in a tie.

    The levels are all sums of numbers of the basis. Backward passes the gradient to x up to the
    highest level, and to negative x too, of which there are none behind a ReLU. Each forward pass
    in training then moves the basis by a tenth of the way to the least squares of
    |sum of basis numbers - x|² for the sums that x has taken.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        basis: float32 (bits,), first 2 * 0.6745 / (2**bits - 1) * 2**i, evenly spaced levels for
            normal numbers behind a ReLU; no parameter, for no gradient reaches it.
    """

    basis: Tensor
    codes: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        first = 2 * QUARTILE / levels_above_zero(bits) * 2.0 ** torch.arange(bits)
        self.register_buffer("basis", first)
        self.register_buffer("codes", _codes(bits, 0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        levels, codes = _sorted_levels(self.basis.unsqueeze(0), self.codes)
        at = torch.bucketize(x.detach().contiguous(), (levels[0, 1:] + levels[0, :-1]) / 2)
        y = add_gradient(levels[0][at], torch.minimum(x, levels[0, -1]))
        if self.training:
            rows = x.detach().reshape(1, -1), at.reshape(1, -1)
            self.basis.copy_(_fitted(*rows, codes, self.basis.unsqueeze(0))[0])
        return y

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"


class LQNetsWeight(FirstBatch):
    """Weight quantizer with a basis per output channel, whose numbers are added or subtracted.

    Backward passes the gradient straight to all weights. The basis moves as that of `LQNets`.

    Args:
        bits: 2 to 8; another value raises ValueError.
        channels: Output channels, the first axis of the weights.

    Attributes:
        basis: float32 (channels, bits); first 0.6745 * d / 2**(bits-1) * 2**i, d the deviation of
            the layer's first weights in training that differ (the published code: that of the
            distribution they are drawn from).
    """

    basis: Tensor
    codes: Tensor

    def __init__(self, bits: int, channels: int) -> None:
        super().__init__(bits)
        self.channels = channels
        self.register_buffer("basis", (2.0 ** torch.arange(bits)).repeat(channels, 1))
        self.register_buffer("codes", _codes(bits, -1), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 (channels, ...)."""
        self.see(w)
        levels, codes = _sorted_levels(self.basis, self.codes)
        thresholds = (levels[:, 1:] + levels[:, :-1]) / 2
        rows = w.detach().reshape(self.channels, -1)
        at = (rows.unsqueeze(2) > thresholds.unsqueeze(1)).sum(2)
        y = add_gradient(torch.gather(levels, 1, at).view_as(w), w)
        if self.training:
            self.basis.copy_(_fitted(rows, at, codes, self.basis))
        return y

    def set_from(self, x: Tensor) -> bool:
        """Set the basis of all channels."""
        deviation = float(x.std(correction=0))
        if deviation > 0:
            first = QUARTILE * deviation / 2 ** (self.bits - 1) * 2.0 ** torch.arange(self.bits)
            self.basis.copy_(first.expand_as(self.basis))
        return deviation > 0

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}, channels={self.channels}"
