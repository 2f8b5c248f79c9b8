"""LSQ+: uniform quantizer with a learned step and a learned offset.

Source: Bhalgat, Lee, Nagel, Blankevoort, Kwak, "LSQ+: Improving low-bit quantization through
learnable offsets and better initialization", CVPR workshops 2020 (arXiv 2004.09576).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .first_batch import FirstBatch
from .lsq import LSQWeight
from .quantizers import levels_above_zero

ROUNDS = 20
"""Of the search for the first step and offset."""


class _Offset(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, offset: Tensor, high: int) -> Tensor:
        ctx.save_for_backward(x, step, offset)
        ctx.high = high
        return torch.round(torch.clamp((x - offset) / step, 0, high)) * step + offset

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, step, offset = ctx.saved_tensors
        ratio = (x - offset) / step
        inside = (ratio > 0) & (ratio < ctx.high)
        code = torch.round(torch.clamp(ratio, 0, ctx.high))
        scale = 1 / math.sqrt(x[0].numel() * ctx.high)
        by_step = (upstream * torch.where(inside, code - ratio, code)).sum() * scale
        by_offset = (upstream * ~inside).sum() * scale
        return upstream * inside, by_step.reshape(1), by_offset.reshape(1), None


class LSQPlus(FirstBatch):
    """Activation quantizer with levels anywhere; n = 2**bits - 1:

        y = round(clip((x - beta) / s, 0, n)) * s + beta      ties to even

    Backward passes the gradient to x where 0 < (x - beta)/s < n. With r = (x - beta)/s the
    derivative to s is round(r) - r there, 0 below and n above; that to beta is 0 there, 1 outside.
    LSQ's scale 1 / sqrt(N * n) is applied to both, N the number of features of a sample; whether
    the paper scales that to beta is not known here (re-implementations do).

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        step, beta: float32 (1,); 1 and 0 until the first batch in training whose numbers differ,
            then of least mean square error over that batch, found by turns from its range: codes
            of the levels, and the levels' line of least squares through the codes.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.high = levels_above_zero(bits)
        self.step = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape; axis 0 counts samples."""
        self.see(x)
        y: Tensor = _Offset.apply(  # type: ignore[no-untyped-call]
            x, self.step, self.beta, self.high
        )
        return y

    def set_from(self, x: Tensor) -> bool:
        """Set step and offset."""
        beta, step = x.min(), (x.max() - x.min()) / self.high
        if not step > 0:
            return False
        for _ in range(ROUNDS):
            code = torch.round(torch.clamp((x - beta) / step, 0, self.high))
            spread = ((code - code.mean()) * (x - x.mean())).mean()
            step = spread / ((code - code.mean()) ** 2).mean()
            beta = x.mean() - step * code.mean()
        self.step.data.fill_(step.item())
        self.beta.data.fill_(beta.item())
        return True


class LSQPlusWeight(LSQWeight):
    """`LSQWeight` with another first step, where mean and deviation are those of all weights:

        s = max(|mean - 3 deviation|, |mean + 3 deviation|) / 2**(bits-1)

    Args:
        bits: 2 to 8; another value raises ValueError.
    """

    def set_from(self, x: Tensor) -> bool:
        """Set the step."""
        step: float = float(x.mean().abs() + 3 * x.std(correction=0)) / 2 ** (self.bits - 1)
        if step > 0:
            self.step.data.fill_(step)
        return step > 0
