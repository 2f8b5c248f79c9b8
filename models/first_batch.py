"""Quantizers whose first parameters come of the first numbers that they see in training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .quantizers import levels_above_zero


def first_step(x: Tensor, high: int) -> float:
    """Return LSQ's first step, 2 * mean|x| / sqrt(high); `high` is the largest code."""
    return float(2 * x.abs().mean() / math.sqrt(high))


class FirstBatch(nn.Module):
    """Base of such quantizers.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        started: bool (), whether the parameters were set.
    """

    started: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        levels_above_zero(bits)
        self.bits = bits
        self.register_buffer("started", torch.tensor(False))

    def set_from(self, x: Tensor) -> bool:
        """Set the parameters, unless x gives none (all 0, say); return whether they are set."""
        raise NotImplementedError

    def see(self, x: Tensor) -> None:
        """Set the parameters from x in training, once."""
        if self.training and not self.started and self.set_from(x.detach()):
            self.started.fill_(True)

    def extra_repr(self) -> str:
        """Return the text in parentheses that `print(module)` shows."""
        return f"bits={self.bits}"
