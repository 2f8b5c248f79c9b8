"""The small float networks of the study, which recipes name by import path."""

from __future__ import annotations

from torch import nn


def image(channels: int, classes: int) -> nn.Module:
    """Return a network of about 5,000 parameters for images of 8x8 to 14x14."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, classes),
    )  # fmt: skip


def series(channels: int, classes: int) -> nn.Module:
    """Return a network of about 5,000 parameters for series of 128 samples."""
    return nn.Sequential(
        nn.Conv1d(channels, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(16), nn.ReLU(),
        nn.Conv1d(16, 24, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(24), nn.ReLU(),
        nn.Conv1d(24, 24, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(24), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(24, classes),
    )  # fmt: skip
