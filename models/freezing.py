"""Weights that oscillate between two levels in training are frozen.

Source: Nagel, Fournarakis, Bondarenko, Blankevoort, "Overcoming Oscillations in Quantization-Aware
Training", ICML 2022 (arXiv 2203.11086): the frequency of section 4.1, and iterative weight
freezing as the published code (github.com/Qualcomm-AI-research/oscillations-qat) computes it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class CodeQuantizer(Protocol):
    """Weight quantizer that tells codes and levels apart: LSQ's, LSQ+'s and N2UQ's."""

    def codes(self, w: Tensor) -> Tensor:
        """Return the code of each weight, which ascends with it."""
        ...

    def of_codes(self, codes: Tensor, w: Tensor) -> Tensor:
        """Return the levels of codes, with the gradient of the quantizer's parameters."""
        ...

    def __call__(self, w: Tensor) -> Tensor:
        """Quantize weights."""
        ...


class Freezing(nn.Module):
    """Any such quantizer, whose weights keep their code once they have oscillated too often.

    A weight oscillates (o = 1) in a training step that changes its code in the other direction than
    the last change did. Its frequency f becomes m * o + (1 - m) * f; where f > threshold the weight
    gets, for good, the code that is the rounded moving average of its codes, and no gradient
    reaches it. The quantizer's parameters are learned on.

    Args:
        quantizer: A module that is a `CodeQuantizer`.
        shape: Of the weights.
        threshold: Frequency above which a weight is frozen, 2 to 3 times m at least, for one
            oscillation gives m. May be changed in training.
        momentum: m.

    Attributes:
        frozen: bool, which weights are.
        frequency: float32, f.
        frozen_code, before, direction, average: float32, code of frozen weights, last code, sign of
            its last change, moving average.
        seen: bool (), whether a training step came by.

    Raises:
        ValueError: threshold or momentum is not between 0 and 1, or the quantizer has no codes.
    """

    frozen: Tensor
    frequency: Tensor
    frozen_code: Tensor
    before: Tensor
    direction: Tensor
    average: Tensor
    seen: Tensor

    def __init__(
        self,
        quantizer: nn.Module,
        shape: tuple[int, ...],
        threshold: float,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        for name, value in (("threshold", threshold), ("momentum", momentum)):
            if not 0 < value < 1:
                raise ValueError(f"{name}={value}: it is a share between 0 and 1")
        if not isinstance(quantizer, CodeQuantizer):
            raise ValueError(f"{type(quantizer).__name__} has no codes that weights could keep")
        self.quantizer, self.threshold, self.momentum = quantizer, threshold, momentum
        for name in ("frequency", "frozen_code", "before", "direction", "average"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("frozen", torch.zeros(shape, dtype=torch.bool))
        self.register_buffer("seen", torch.tensor(False))

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of the shape given."""
        kept = self.frozen.clone()
        y = torch.where(
            kept, self.quantizer.of_codes(self.frozen_code.clone(), w), self.quantizer(w)
        )
        if self.training:
            self._track(torch.where(kept, self.frozen_code, self.quantizer.codes(w)))
        return y

    def _track(self, code: Tensor) -> None:
        if not self.seen:
            self.before.copy_(code)
            self.average.copy_(code)
            self.seen.fill_(True)
        turn = torch.sign(code - self.before)
        self.frequency.lerp_((turn * self.direction == -1).to(code), self.momentum)
        self.direction.copy_(torch.where(turn != 0, turn, self.direction))
        self.before.copy_(code)
        often = self.frequency > self.threshold
        self.frozen |= often
        self.frozen_code.copy_(torch.where(often, torch.round(self.average), self.frozen_code))
        self.average.lerp_(code, self.momentum)

    def extra_repr(self) -> str:
        """Return what `print(module)` shows in brackets."""
        return f"threshold={self.threshold}, momentum={self.momentum}"
