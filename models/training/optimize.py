"""Optimizer and course of the learning rate, both torch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from .low_bit import activation_parameters
from .recipe import Decay, LowBitSchedule


def make_optimizer(
    network: nn.Module, schedule: LowBitSchedule, rate: float
) -> torch.optim.Optimizer:
    """Return an optimizer of three groups: thresholds and the like, with `threshold_rate` times
    the rate; weights, with weight decay; the rest.
    """
    thresholds = {id(each): each for each in activation_parameters(network)}
    others = [each for each in network.parameters() if id(each) not in thresholds]
    groups: list[dict[str, Any]] = [
        {"params": list(thresholds.values()), "lr": rate * schedule.threshold_rate},
        {"params": [p for p in others if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in others if p.ndim <= 1]},
    ]
    for group in groups:
        group["params"] = [each for each in group["params"] if each.requires_grad]
    groups = [group for group in groups if group["params"]]
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, schedule.momentum)
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, weight_decay=0)
    return torch.optim.Adam(groups, rate)


def make_decay(
    optimizer: torch.optim.Optimizer, decay: Decay, steps: int
) -> lr_scheduler.LRScheduler:
    """Return the course of the rate over so many steps."""
    if decay == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, steps)
    if decay == "linear":
        return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    return lr_scheduler.ConstantLR(optimizer, 1.0)
