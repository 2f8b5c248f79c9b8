"""Small networks, data and recipes for the tests of training; networks by import path too."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

PLACE = "tests.models.training.small"


def mlp(features: int = 6, classes: int = 3) -> nn.Module:
    """Return a network of features, with a Dropout that draws from torch's generator."""
    return nn.Sequential(
        nn.Linear(features, 8), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes),
    )  # fmt: skip


def sequence(channels: int = 2, classes: int = 3) -> nn.Module:
    """Return a network of series; its middle layer has groups, dilation and a bias."""
    return nn.Sequential(
        nn.Conv1d(channels, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Conv1d(8, 8, 3, padding=2, dilation=2, groups=2), nn.BatchNorm1d(8), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip


def image(channels: int = 2, classes: int = 3) -> nn.Module:
    """Return a network of images."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip


def number() -> int:
    """Return no network."""
    return 3


def samples(shape: tuple[int, ...], count: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """Return samples of three classes that a network can tell apart."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centers = np.random.default_rng(7).standard_normal((3, *shape))
    images = centers[labels] + 0.7 * random.standard_normal((count, *shape))
    return {"images": images.astype(np.float32), "labels": labels}


class Drawn(Dataset[tuple[Tensor, int]]):
    """Samples with noise from every global generator; the one of the number `killed` is fatal."""

    def __init__(self, count: int = 60) -> None:
        self.arrays, self.read = samples((6,), count), 0
        self.killed = int(os.environ.get("KILLED_AT", "0"))

    def __len__(self) -> int:
        return len(self.arrays["labels"])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read += 1
        if self.read == self.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        noise = 0.1 * np.random.standard_normal(6) + 0.1 * torch.randn(6).numpy()
        sample = torch.from_numpy(self.arrays["images"][index] + noise.astype(np.float32))
        return sample, int(self.arrays["labels"][index])


def recipe(folder: Path, kind: str = "mlp", /, **tables: Any) -> dict[str, Any]:
    """Return a recipe of few epochs; its samples are written to the folder if they are arrays."""
    shape = {"mlp": (6,), "sequence": (2, 12), "image": (2, 6, 6)}[kind]
    if not (path := folder / f"{kind}.npz").exists():
        np.savez(path, **samples(shape))
    return {
        "output": str(folder / "out"),
        "data": {"format": "npz", "path": str(path)},
        "network": {"factory": f"{PLACE}:{kind}"},
        "float_schedule": {"epochs": 2, "rate": 0.01},
        "schedule": {"epochs": 2, "batch": 16, "rate": 0.01},
        "teacher": {},
        **tables,
    }
