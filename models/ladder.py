"""N2UQ's ladder of thresholds as one function: a few passes over x, not some for each threshold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Ladder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, start: Tensor, length: Tensor) -> Tensor:
        # Summed as the published operators do: another order would round some thresholds otherwise.
        begin, edges, thresholds = start[0], [start[0]], []
        threshold = start[0]
        for i, own in enumerate(length):
            threshold = threshold + (own / 2 if i == 0 else length[i - 1] / 2 + own / 2)
            thresholds.append(threshold)
            begin = begin + own
            edges.append(begin)
        u = u.contiguous()
        ctx.save_for_backward(u, length, torch.stack(edges))
        passed = torch.bucketize(u, torch.stack(thresholds))
        return passed.to(u.dtype) * (2.0 / len(length))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, length, edges = ctx.saved_tensors
        count = len(length)
        # Segment 1 … count; 0 before the first, count + 1 behind the last.
        segment = torch.bucketize(u, edges)
        none = length.new_zeros(1)
        by_u = upstream * torch.cat([none, 2.0 / count / length, none])[segment]
        offset = u - torch.cat([edges[:1], edges])[segment]
        sums = length.new_zeros(2, count + 2)
        sums[0].index_add_(0, segment.flatten(), by_u.flatten())
        sums[1].index_add_(0, segment.flatten(), (by_u * offset).flatten())
        slope, moment = sums[:, 1:-1]
        # A longer segment moves all behind it, and is flatter itself.
        behind = slope.flip(0).cumsum(0).flip(0) - slope
        return by_u, -slope.sum().reshape(1), -behind - moment / length


def ladder(u: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Count the middles of adjacent segments that u passes, times 2/n.

    The gradient is that of the function that is 0 up to `start`, rises by 2/n over each segment,
    and is 2 behind the last (`quantizers.LTQ`).

    Args:
        u: Floating point, of any shape.
        start: Shape (1,), where the first segment begins.
        length: Shape (n,), lengths of the segments, all positive.

    Returns:
        0, 2/n … 2, of u's shape and type.
    """
    y: Tensor = _Ladder.apply(u, start, length)  # type: ignore[no-untyped-call]
    return y
