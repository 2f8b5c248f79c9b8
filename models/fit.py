"""The training loop: Adam, cosine learning rate, shifted digits; no selection by accuracy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from .data import Split

BATCH = 64
SHIFT = 1


def fit(
    network: nn.Module,
    split: Split,
    epochs: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[float], None],
) -> None:
    """Train in place on every image of the split; the last epoch's parameters are the result.

    Args:
        network: Classifier of (N, 1, 8, 8) images.
        split: Training images and labels.
        epochs: Passes over the images.
        learning_rate: Adam's first step length; falls to 0 along a half cosine.
        seed: Seed of order and shifts.
        progress: Called after each epoch with its mean loss.
    """
    random = torch.Generator().manual_seed(seed)
    images, labels = torch.tensor(split.images), torch.tensor(split.labels)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, learning_rate)
    steps = epochs * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for _ in range(epochs):
        losses = []
        # The last, smaller batch is dropped; the order changes every epoch, so every image is used.
        order = torch.randperm(len(labels), generator=random)
        for first in range(0, len(labels) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            output = network(_shifted(images[batch], random))
            loss = F.cross_entropy(output, labels[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        progress(sum(losses) / len(losses))
    network.eval()


def _shifted(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift each image by up to SHIFT pixels along both axes, filling with zeros."""
    count, _, height, width = images.shape
    padded = F.pad(images, (SHIFT,) * 4)
    rows, columns = torch.randint(0, 2 * SHIFT + 1, (2, count, 1), generator=random)
    rows = (rows + torch.arange(height))[:, :, None]
    columns = (columns + torch.arange(width))[:, None, :]
    return padded[torch.arange(count)[:, None, None], 0, rows, columns][:, None]


def predict(network: nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores of a network in evaluation mode, float32 (N, classes)."""
    network.eval()
    with torch.no_grad():
        scores: NDArray[np.float32] = network(torch.tensor(images)).numpy()
    return scores


def count_correct(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    """Return the number of images whose highest score is that of their label."""
    return int((scores.argmax(1) == labels).sum())
