"""Raw 8-bit images as inputs, and how a program's metadata states them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError


@dataclass(frozen=True)
class Pixels:
    """Raw 8-bit images as input: real value = (pixel * scale - mean[c]) / std[c].

    Attributes:
        scale: real value of one gray level, e.g. 1/255.
        mean, std: one value, or one for each channel; 0 and 1 if the graph itself normalizes.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        values = (self.scale, *self.mean, *self.std)
        if not np.isfinite(values).all() or self.scale <= 0 or not all(s > 0 for s in self.std):
            raise CompileError(
                f"pixel input of scale {self.scale}, mean {self.mean}, std {self.std}; it takes "
                "finite numbers with scale > 0 and std > 0"
            )

    def rows(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and std of each channel, float64 (C,)."""
        for name, row in (("mean", self.mean), ("std", self.std)):
            if len(row) not in (1, channels):
                raise CompileError(
                    f"--{name} has {len(row)} values; the input has {channels} channels"
                )
        mean, std = (np.broadcast_to(np.array(r), (channels,)) for r in (self.mean, self.std))
        return mean, std


def pixels_text(pixels: Pixels | Mapping[str, Pixels]) -> str:
    """Return raw images, of the only input or of inputs by name, as metadata holds them."""
    if isinstance(pixels, Mapping):
        return json.dumps({name: pixels_text(each) for name, each in pixels.items()})
    mean, std = (",".join(repr(float(v)) for v in row) for row in (pixels.mean, pixels.std))
    return f"scale {float(pixels.scale)!r} mean {mean} std {std}"


def stated_pixels(text: str) -> Pixels | dict[str, Pixels]:
    """Return what `pixels_text` states.

    Raises:
        ValueError, AttributeError: the text is not of that form.
        CompileError: its numbers are no scales.
    """
    if text.startswith("{"):
        return {name: _stated(each) for name, each in json.loads(text).items()}
    return _stated(text)


def _stated(text: str) -> Pixels:
    _, scale, _, mean, _, std = text.split(" ")
    return Pixels(float(scale), numbers(mean), numbers(std))


def numbers(text: str) -> tuple[float, ...]:
    """Return numbers that commas separate."""
    return tuple(float(v) for v in text.split(","))
