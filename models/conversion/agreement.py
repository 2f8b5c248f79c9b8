"""How far a network gives what the float network gives, and the loss that teaches it to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..training.datasets import Normalizer, TrainingData, evaluation_batches
from ..training.recipe import TeacherChoice
from ..training.teacher import Loss, Scores, taught_loss


@dataclass(frozen=True)
class Agreement:
    """How far outputs are those of the float network.

    Attributes:
        samples: on which both ran.
        error: root mean square of the difference, divided by the deviation of the float outputs.
        same: share of the decisions (the greatest along axis 1) that are the same; None for
            outputs that are values.
    """

    samples: int
    error: float
    same: float | None


def agreement(pairs: Iterable[tuple[Tensor, Tensor]], scores: bool) -> Agreement:
    """Compare outputs, batch by batch.

    Args:
        pairs: outputs (N, ...) of the float network, and those that are compared with them.
        scores: whether decisions are counted.
    """
    samples = decisions = right = count = 0
    total = squares = distance = 0.0
    for wanted, given in pairs:
        want, got = wanted.double(), given.double()
        samples, count = samples + len(want), count + want.numel()
        total += float(want.sum())
        squares += float((want**2).sum())
        distance += float(((got - want) ** 2).sum())
        if scores:
            equal = want.argmax(1) == got.argmax(1)
            decisions, right = decisions + equal.numel(), right + int(equal.sum())
    spread = squares - total**2 / count
    error = math.sqrt(distance / spread) if spread > 0 else math.inf if distance else 0.0
    return Agreement(samples, error, right / decisions if decisions else None)


def outputs_of(
    network: nn.Module, data: TrainingData, normalizer: Normalizer, device: torch.device
) -> list[Tensor]:
    """Return a network's outputs of the samples that are held out, batch by batch."""
    network.eval()
    with torch.no_grad():
        batches = evaluation_batches(data.validation, normalizer, device)
        return [network(x).detach().cpu() for x, _ in batches]


def is_scores(goal: str, shape: tuple[int, ...]) -> bool:
    """Return whether outputs of a shape (N, ...) are scores, of which the greatest counts."""
    return goal == "scores" or (goal == "auto" and len(shape) == 2 and shape[1] > 1)


def teaching_loss(teacher: Scores, scores: bool, outputs: Iterable[Tensor]) -> Loss:
    """Return the loss of a network that learns the teacher's outputs alone.

    Scores: cross entropy with the teacher's softmax. Values: mean square of the difference, divided
    by the variance of the teacher's outputs.

    Args:
        teacher: gives outputs of a batch.
        scores: which of both.
        outputs: some of the teacher's.
    """
    if scores:
        return taught_loss(TeacherChoice(), teacher)
    whole = torch.cat([each.flatten() for each in outputs]).double()
    variance = float(whole.var(correction=0)) or 1.0

    def loss(x: Tensor, given: Tensor, _: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = teacher(x)
        return ((given - wanted) ** 2).mean() / variance

    return loss
