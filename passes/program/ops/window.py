"""Sliding windows over (N, H, W, C) arrays, shared by convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_TIMES, _ALWAYS = 16, 1 << 16  # of a padded map: times its own size, and places in any case

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
"""top, left, bottom, right"""
Counts = tuple[tuple[int, ...], tuple[int, ...]]
"""A number for each row of windows, and one for each column."""


def output_size(size: Pair, kernel: Pair, stride: Pair, pads: Pads, dilation: Pair) -> Pair:
    """Return rows and columns of the result (ONNX operator Conv, auto_pad NOTSET, floor mode)."""
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    return (
        (size[0] + pads[0] + pads[2] - reach[0]) // stride[0] + 1,
        (size[1] + pads[1] + pads[3] - reach[1]) // stride[1] + 1,
    )


def is_window(kernel: Pair, stride: Pair, pads: Pads, dilation: Pair) -> bool:
    """Return whether the numbers of a window are legal: steps of at least 1, pads of at least 0."""
    steps = (*kernel, *stride, *dilation)
    return (len(steps), len(pads)) == (6, 4) and min(steps) >= 1 and min(pads) >= 0


def pads_fit(size: Pair, pads: Pads) -> bool:
    """Return whether the padded map is of a size that its own justifies:
    pads of 2^31 take four bytes.
    """
    padded = (size[0] + pads[0] + pads[2]) * (size[1] + pads[1] + pads[3])
    return padded <= max(_TIMES * size[0] * size[1], _ALWAYS)


def windows(
    x: NDArray[Any], kernel: Pair, stride: Pair, pads: Pads, dilation: Pair, fill: float
) -> NDArray[Any]:
    """Return a view (N, OH, OW, C, KH, KW) of the padded input."""
    top, left, bottom, right = pads
    if any(pads):
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = sliding_window_view(x, reach, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]


def counts(size: Pair, kernel: Pair, stride: Pair, pads: Pads, counted: Pads | None) -> Counts:
    """Return rows and columns of each window that lie in the map or
    at most ``counted`` outside of it.

    None counts every position, inside or not.
    """
    if counted is None:
        counted = pads
    out = output_size(size, kernel, stride, pads, (1, 1))

    def along(axis: int) -> tuple[int, ...]:
        begins = (at * stride[axis] - pads[axis] for at in range(out[axis]))
        return tuple(
            min(begin + kernel[axis], size[axis] + counted[axis + 2]) - max(begin, -counted[axis])
            for begin in begins
        )

    return along(0), along(1)
