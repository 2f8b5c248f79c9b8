"""nuLSQ: a learned length of every step between neighboring levels.

Source: Gongyo, Liang, Ambai, Kawakami, Sato, "Learning Non-Uniform Step Sizes for Neural Network
Quantization", ACCV 2024. Formulas and scales of gradients are what the published code
(github.com/DensoITLab/nuLSQ) computes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .first_batch import FirstBatch, first_step
from .quantizers import levels_above_zero

LEAST = 1e-6
"""Shorter steps count as this long, and learn nothing; the published code stops at such a step."""


def _levels(x: Tensor, steps: Tensor) -> Tensor:
    """Levels 0, s_1, s_1 + s_2 …; x goes up behind the middle of a step."""
    edges = torch.cumsum(steps, 0)
    return torch.cat([steps.new_zeros(1), edges])[torch.bucketize(x, edges - steps / 2)]


def _by_steps(x: Tensor, steps: Tensor, upstream: Tensor) -> Tensor:
    """Derivative of these levels, for x > 0, to the steps, summed with `upstream`."""
    edges = torch.cat([steps.new_zeros(1), torch.cumsum(steps, 0)])
    segment = torch.bucketize(x, edges[1:])
    above = segment == len(steps)
    own = segment.clamp(max=len(steps) - 1)
    part = (x - edges[own]) / steps[own]
    inside = upstream * (~above & (x >= 0))
    found = torch.zeros_like(steps)
    found.index_add_(0, own.flatten(), (inside * (torch.round(part) - part)).flatten())
    return found + (upstream * above).sum()


class _Uneven(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, up: Tensor, down: Tensor | None) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, up, down)
        return _levels(x, up) if down is None else _levels(x, up) - _levels(-x, down)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, up, down = ctx.saved_tensors
        low = 0 if down is None else -down.sum()
        by_x = upstream * ((x >= low) & (x <= up.sum()))
        if down is None:
            scale = 1 / math.sqrt(x.shape[1] * len(up))
            return by_x, _by_steps(x, up, upstream) * scale, None
        by_up = _by_steps(x, up, upstream) * 2 / math.sqrt(x.numel() * len(up))
        by_down = -_by_steps(-x, down, upstream) * 2 / math.sqrt(x.numel() * len(down))
        return by_x, by_up, by_down


class NuLSQ(FirstBatch):
    """Activation quantizer with n = 2**bits - 1 steps s_i and edges c_i = s_1 + … + s_i:

        y = sum of s_i over {i : x > c_i - s_i / 2}

    Backward passes the gradient to x where 0 <= x <= c_n. Inside step i, r = (x - c_{i-1}) / s_i,
    the derivative to s_i is round(r) - r and that to the others 0; above c_n it is 1 for all.
    Both times 1 / sqrt(C * n), C the size of axis 1: channels of an image, features of a vector.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        step: float32 (n,), s_i, those below `LEAST` counting as that; 1 until the first batch in
            training that is not all 0, then 2 * mean|x| / sqrt(n) of that batch (LSQ's; the
            published code offers this and others).
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.step = nn.Parameter(torch.ones(levels_above_zero(bits)))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of two axes or more."""
        self.see(x)
        y: Tensor = _Uneven.apply(  # type: ignore[no-untyped-call]
            x, self.step.clamp(min=LEAST), None
        )
        return y

    def set_from(self, x: Tensor) -> bool:
        """Set all steps."""
        return _set_steps(first_step(x, 2**self.bits - 1), self.step)


class NuLSQWeight(FirstBatch):
    """Weight quantizer: steps up from 0 as `NuLSQ` has them, and others down from 0.

    Gradients are those of `NuLSQ` on either side, times 2 / sqrt(N * its steps), N the weights.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        up, down: float32 (2**(bits-1) - 1,) and (2**(bits-1),), steps above and below 0, which
            start as `NuLSQ`'s do, n being 2**(bits-1) - 1.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.up = nn.Parameter(torch.ones(2 ** (bits - 1) - 1))
        self.down = nn.Parameter(torch.ones(2 ** (bits - 1)))

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of any shape."""
        self.see(w)
        y: Tensor = _Uneven.apply(  # type: ignore[no-untyped-call]
            w, self.up.clamp(min=LEAST), self.down.clamp(min=LEAST)
        )
        return y

    def set_from(self, x: Tensor) -> bool:
        """Set all steps."""
        return _set_steps(first_step(x, 2 ** (self.bits - 1) - 1), self.up, self.down)


def _set_steps(step: float, *parameters: nn.Parameter) -> bool:
    for steps in parameters if step > 0 else ():
        steps.data.fill_(step)
    return step > 0
