"""Running statistics of BatchNorm, moved by what quantizers make of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_SMALLEST = 1e-12


def correct_statistics(twin: nn.Module, network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Let each BatchNorm of a low-bit twin give what that of the float network gives, on average.

    A channel whose inputs had the mean m and the variance v on some samples, and in the twin m' and
    v', gets the running mean + m' - m and the running variance * v' / v: the float network itself
    would keep its own.

    Args:
        twin: changed in place.
        network: the float network.
        batches: samples, of two or more each.
    """
    before, after = (_observed(each, batches) for each in (network, twin))
    for name, (mean, variance) in after.items():
        module: Any = twin.get_submodule(name)
        old_mean, old_variance = before[name]
        with torch.no_grad():
            module.running_mean += mean - old_mean
            ratio = variance / old_variance.clamp(min=_SMALLEST)
            dead = (old_variance <= _SMALLEST) | (variance <= _SMALLEST)
            module.running_var *= torch.where(dead, 1.0, ratio)


def _observed(network: nn.Module, batches: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return mean and variance of the inputs of each BatchNorm, by its name."""
    modules: dict[str, Any] = {
        name: each
        for name, each in network.named_modules()
        if isinstance(each, _BatchNorm) and each.running_mean is not None
    }
    kept = {
        name: (each.momentum, [buffer.clone() for buffer in each.buffers()])
        for name, each in modules.items()
    }
    network.eval()
    for each in modules.values():
        each.reset_running_stats()
        each.momentum = None  # the mean of all batches
        each.train()
    with torch.no_grad():
        for x in batches if modules else ():
            network(x)
    found = {n: (m.running_mean.clone(), m.running_var.clone()) for n, m in modules.items()}
    for name, each in modules.items():
        each.momentum, buffers = kept[name]
        with torch.no_grad():
            for buffer, old in zip(each.buffers(), buffers, strict=True):
                buffer.copy_(old)
        each.eval()
    return found
