"""LSQ: uniform quantizer with a learned step.

Source: Esser, McKinstry, Bablani, Appuswamy, Modha, "Learned Step Size Quantization", ICLR 2020
(arXiv 1902.08153), section 2; the initial step and the scale of its gradient are of 2.1 and 2.2.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .first_batch import FirstBatch, first_step
from .quantizers import levels_above_zero


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, is_weight: bool) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.low, ctx.high, ctx.is_weight = low, high, is_weight
        return torch.round(torch.clamp(x / step, low, high)) * step

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, step = ctx.saved_tensors
        ratio = x / step
        inside = (ratio > ctx.low) & (ratio < ctx.high)
        code = torch.round(torch.clamp(ratio, ctx.low, ctx.high))
        by_step = torch.where(inside, code - ratio, code)
        count = x.numel() if ctx.is_weight else x[0].numel()
        scale = 1 / math.sqrt(count * ctx.high)
        return upstream * inside, (upstream * by_step).sum().reshape(1) * scale, None, None, None


class _OfCodes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: Tensor, step: Tensor, high: int) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.high = high
        return codes * step

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, Tensor, None]:
        (codes,) = ctx.saved_tensors
        scale = 1 / math.sqrt(codes.numel() * ctx.high)
        return None, (upstream * codes).sum().reshape(1) * scale, None


class LSQ(FirstBatch):
    """Activation quantizer with the levels s * k, k = -Qn … Qp:

        y = round(clip(x / s, -Qn, Qp)) * s      ties to even

    with Qn = 0, Qp = 2**bits - 1 unsigned, and Qn = 2**(bits-1), Qp = Qn - 1 signed.

    Backward (equations 3 and 5) passes the gradient to x where -Qn < x/s < Qp. The derivative to s
    is round(x/s) - x/s there, -Qn below and Qp above, all times 1 / sqrt(N * Qp), where N is the
    number of features of a sample (weights: the number of weights).

    Args:
        bits: 2 to 8; another value raises ValueError.
        signed: Whether x is negative too.

    Attributes:
        step: float32 (1,), s; 1 until the first batch in training that is not all 0, then
            2 * mean|x| / sqrt(Qp) of that batch.
    """

    is_weight = False

    def __init__(self, bits: int, signed: bool = False) -> None:
        super().__init__(bits)
        self.low = -(2 ** (bits - 1)) if signed else 0
        self.high = self.low + levels_above_zero(bits)
        self.step = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape; axis 0 of activations counts samples."""
        self.see(x)
        y: Tensor = _Steps.apply(  # type: ignore[no-untyped-call]
            x, self.step, self.low, self.high, self.is_weight
        )
        return y

    def set_from(self, x: Tensor) -> bool:
        """Set the step."""
        step = first_step(x, self.high)
        if step > 0:
            self.step.data.fill_(step)
        return step > 0

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}, signed={self.low < 0}"


class LSQWeight(LSQ):
    """Signed `LSQ` of weights of any shape: its first batch is the weights themselves.

    Args:
        bits: 2 to 8; another value raises ValueError.
    """

    is_weight = True

    def __init__(self, bits: int) -> None:
        super().__init__(bits, signed=True)

    def codes(self, w: Tensor) -> Tensor:
        """Return the integers k of the levels s * k, of w's shape and type, without a gradient."""
        return torch.round(torch.clamp(w / self.step, self.low, self.high)).detach()

    def of_codes(self, codes: Tensor, w: Tensor) -> Tensor:
        """Return the levels of other codes of the weights w, with the gradient of s as `LSQ`'s."""
        y: Tensor = _OfCodes.apply(codes, self.step, self.high)  # type: ignore[no-untyped-call]
        return y
