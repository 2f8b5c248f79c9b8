"""Random changes of batches (N, C, ...), for any number of channels, in one or two dimensions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .recipe import Augmentation


def augmented(
    x: Tensor, chosen: Augmentation, shape: tuple[int, ...], random: torch.Generator
) -> Tensor:
    """Return a batch, changed sample by sample.

    Args:
        x: float32 (N, C, H, W), (N, C, L) or (N, F), as the network's input but for its size.
        chosen: what is done.
        shape: of a sample as the network gets it.
        random: what draws, on the processor, so that every device draws the same.

    Returns:
        float32 (N, *shape).
    """
    if len(shape) > 1:
        x = _windows(x, chosen.shift, shape[1:], random)
    if chosen.flip:
        mirrored = torch.rand(len(x), generator=random) < 0.5
        x = torch.where(mirrored.to(x.device).view(-1, *(1,) * (x.ndim - 1)), x.flip(-1), x)
    if chosen.noise:
        x = x + chosen.noise * torch.randn(x.shape, generator=random).to(x.device)
    return x


def _windows(x: Tensor, shift: int, sizes: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Cut a random window of the given sizes from each sample, with `shift` zeros around it."""
    if shift:
        x = F.pad(x, (shift, shift) * len(sizes))
    for axis, size in enumerate(sizes, 2):
        if (room := x.shape[axis] - size) == 0:
            continue
        first = torch.randint(0, room + 1, (len(x), 1), generator=random)
        places = (first + torch.arange(size)).to(x.device)
        view = [len(x), *(1,) * (x.ndim - 1)]
        view[axis] = size
        wanted = list(x.shape)
        wanted[axis] = size
        x = x.gather(axis, places.view(view).expand(wanted))
    return x
