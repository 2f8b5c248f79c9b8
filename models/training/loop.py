"""Epochs of one network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from .augment import augmented
from .datasets import Normalizer, Pairs, TrainingData, evaluation_batches, length
from .metrics import EpochRecord
from .optimize import make_decay, make_optimizer
from .recipe import Decay, RecipeError, Settings
from .teacher import Loss

Measure = Callable[[nn.Module], tuple[float, float]]
"""From a network its loss and its accuracy, 0 to 1."""


class Trainer:
    """Training of one network, epoch by epoch.

    Args:
        recipe: the recipe.
        data: its data.
        network: what is trained, in place.
        loss: what is made small.
        phase: "float" or "low-bit".
        epochs: passes over the samples in all.
        rate: first learning rate.
        decay: its course.
        device: where the network is.
        measure: what gives loss and accuracy of the network after each epoch; by default on the
            labels of the samples that are held out.
        fixed: whether BatchNorm keeps its running statistics, and normalizes by them.

    Attributes:
        done: epochs that are done.
    """

    def __init__(
        self,
        recipe: Settings,
        data: TrainingData,
        network: nn.Module,
        loss: Loss,
        phase: str,
        epochs: int,
        rate: float,
        decay: Decay,
        device: torch.device,
        measure: Measure | None = None,
        fixed: bool = False,
    ) -> None:
        self.recipe, self.data, self.network, self.loss = recipe, data, network, loss
        self.phase, self.epochs, self.device, self.done = phase, epochs, device, 0
        self.normalizer = Normalizer(recipe, data.shape)
        self.measure, self.fixed = measure or self._by_labels, fixed
        self.random = torch.Generator().manual_seed(recipe.schedule.seed)
        batch = min(recipe.schedule.batch, length(data.training))
        self.batches: DataLoader[Any] = DataLoader(
            data.training, batch, shuffle=True, drop_last=True, generator=self.random
        )
        self.optimizer = make_optimizer(network, recipe.schedule, rate)
        self.course = make_decay(self.optimizer, decay, epochs * len(self.batches))

    def epoch(self) -> EpochRecord:
        """Train for one pass over the samples, and evaluate the network on those held out.

        Raises:
            RecipeError: the loss is no longer a number, or a label is out of range.
        """
        self.network.train()
        for module in self.network.modules() if self.fixed else ():
            if isinstance(module, _BatchNorm):
                module.eval()
        total, count, rate = 0.0, 0, 0.0
        for images, labels in self.batches:
            labels = labels.to(self.device)
            x = self.normalizer.values(images.to(self.device))
            x = augmented(x, self.recipe.augment, self.data.shape, self.random)
            scores = self.network(x)
            self._check(labels, scores.shape[1])
            loss = self.loss(x, scores, labels)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            rate = float(self.course.get_last_lr()[-1])
            self.course.step()
            value = loss.item()
            if not math.isfinite(value):
                if not torch.isfinite(x).all():
                    raise self.recipe.error(
                        "normalize", "samples are not finite after normalize and augment"
                    )
                raise self._error(
                    f"the loss is {value} in epoch {self.done + 1}; a lower rate helps"
                )
            total, count = total + value, count + 1
        self.done += 1
        return EpochRecord(self.phase, self.done, total / count, rate, *self.measure(self.network))

    def _by_labels(self, network: nn.Module) -> tuple[float, float]:
        right, lost = evaluated(network, self.data.validation, self.normalizer, self.device)
        return lost, right / length(self.data.validation)

    def _check(self, labels: torch.Tensor, scores: int) -> None:
        if self.data.classes is None and not 0 <= int(labels.min()) <= int(labels.max()) < scores:
            found = f"labels reach from {int(labels.min())} to {int(labels.max())}"
            raise self.recipe.error("data", f"{found}; the network gives {scores} scores")

    def _error(self, text: str) -> RecipeError:
        table = "schedule" if self.phase == "low-bit" else "float_schedule"
        return self.recipe.error(f"{table}.rate", text)

    def state(self) -> dict[str, Any]:
        """Return what decides how the training goes on, without the global generators."""
        return {
            "done": self.done,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "course": self.course.state_dict(),
            "random": self.random.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state.

        Raises:
            ValueError, KeyError, TypeError, RuntimeError: it is no state of this training.
        """
        if not isinstance(state["done"], int) or not 0 <= state["done"] <= self.epochs:
            raise ValueError(f"{state['done']} of {self.epochs} epochs")
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.course.load_state_dict(state["course"])
        self.random.set_state(state["random"])


def evaluated(
    network: nn.Module, data: Pairs, normalizer: Normalizer, device: torch.device
) -> tuple[int, float]:
    """Return how many samples a network classifies rightly, and the mean cross entropy."""
    network.eval()
    right, lost = 0, 0.0
    with torch.no_grad():
        for x, labels in evaluation_batches(data, normalizer, device):
            scores = network(x)
            right += int((scores.argmax(1) == labels).sum())
            lost += float(F.cross_entropy(scores, labels, reduction="sum"))
    return right, lost / length(data)
