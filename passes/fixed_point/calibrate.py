"""Ranges of tensors on calibration images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from ..program import Program
from ..program.boundary import to_maps
from ..program.interpreter import steps
from ..program.named import Batch, by_name, samples, some


def as_maps(program: Program, images: Batch) -> dict[str, NDArray[Any]]:
    """Return images (N, *port.shape) of each input as maps (N, H, W, C) of the same dtype, by name.

    Raises:
        CompileError: the shape is not that of the model's input.
        InputError: an input is missing or too much.
    """
    face, maps = program.interface, {}
    given = by_name(face.inputs, images)
    for port, name in zip(face.inputs, program.inputs, strict=True):
        x = np.asarray(given[port.name])
        if x.shape[1:] != port.shape:
            raise CompileError(
                f"calibration images of shape {x.shape}; the model takes (N, "
                f"{', '.join(map(str, port.shape))})"
            )
        if (x.dtype == np.uint8) != port.pixels:
            taken = "raw pixels, uint8" if port.pixels else "real images"
            raise CompileError(f"images of dtype {x.dtype} for {port.name!r}, which takes {taken}")
        maps[port.name] = to_maps(port, program.types[name], x)
    return maps


@np.errstate(over="ignore", invalid="ignore")
def seen_ranges(program: Program, images: Batch) -> dict[str, tuple[float, float]]:
    """Return the least and greatest value of every tensor over the images, in real units.

    Args:
        program: a program before ``fixed-point``; its real operations are run in float64.
        images: images (N, *port.shape), real, or uint8 if the program reads pixels.
    """
    maps = {
        name: value.astype(np.int64 if value.dtype.kind in "iu" else np.float64)
        for name, value in as_maps(program, images).items()
    }
    ranges: dict[str, tuple[float, float]] = {}
    for start in range(0, samples(maps), 16):
        for name, value in steps(program, some(maps, slice(start, start + 16))):
            scale = float(getattr(program.types[name], "scale", None) or 1)
            ends = float(value.min()) * scale, float(value.max()) * scale
            low, high = ranges.get(name, ends)
            ranges[name] = min(low, *ends), max(high, *ends)
    return ranges
