"""Ranges of tensors on calibration images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from ..program import Program
from ..program.boundary import to_maps
from ..program.interpreter import steps


def as_maps(program: Program, images: NDArray[Any]) -> NDArray[Any]:
    """Return images (N, *input_shape) as maps (N, H, W, C) of the same dtype.

    Raises:
        CompileError: the shape is not that of the model's input.
    """
    face = program.interface
    if images.shape[1:] != face.input_shape:
        raise CompileError(
            f"calibration images of shape {images.shape}; the model takes (N, "
            f"{', '.join(map(str, face.input_shape))})"
        )
    return to_maps(program, images)


@np.errstate(over="ignore", invalid="ignore")
def seen_ranges(program: Program, images: NDArray[Any]) -> dict[str, tuple[float, float]]:
    """Return the least and greatest value of every tensor over the images, in real units.

    Args:
        program: a program before ``fixed-point``; its real operations are run in float64.
        images: images (N, C, H, W), real, or uint8 if the program reads pixels.
    """
    maps = as_maps(program, np.asarray(images))
    ranges: dict[str, tuple[float, float]] = {}
    for start in range(0, len(maps), 16):
        piece = maps[start : start + 16]
        piece = piece.astype(np.int64 if piece.dtype.kind in "iu" else np.float64)
        for name, value in steps(program, piece):
            scale = float(getattr(program.types[name], "scale", None) or 1)
            low, high = float(value.min()) * scale, float(value.max()) * scale
            old = ranges.get(name, (low, high))
            ranges[name] = min(low, old[0]), max(high, old[1])
    return ranges
