"""Random inputs over a program's whole input range, for checks without data."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..program.boundary import input_types
from ..program.named import Named
from ..program.program import Program
from ..program.types import IntArray, IntType

VALUES = 1 << 24
"""Values of a tensor over all samples of a check: 128 MiB each, and a dozen may be alive."""


def largest_tensor(program: Program) -> int:
    """Return the number of values of the largest tensor of one sample."""
    return max(prod(tensor_type.shape) for tensor_type in program.types.values())


def affordable(program: Program, samples: int, values: int = VALUES) -> int:
    """Return how many of some samples a check can evaluate at once, at least one.

    Args:
        program: the program.
        samples: the number that is wanted.
        values: values of its largest tensor over all samples.
    """
    return max(1, min(samples, values // largest_tensor(program)))


def drawn(program: Program, samples: int, seed: int) -> dict[str, IntArray]:
    """Draw integers of the type of each input, int64 (N, H, W, C), by name.

    The first samples have only least, only greatest, and only zero values. Constants, checkerboards
    of both ends, ramps, single points and noise of every amplitude follow in turn, because noise
    averages out in sums and real images have values near zero.
    """
    rng = np.random.default_rng(seed)
    return {
        port.name: _drawn(tensor_type, samples, rng) for port, tensor_type in input_types(program)
    }


def _drawn(tensor_type: IntType, samples: int, rng: np.random.Generator) -> IntArray:
    x = rng.integers(tensor_type.lo, tensor_type.hi, (samples, *tensor_type.shape), endpoint=True)
    zero = min(max(tensor_type.lo, 0), tensor_type.hi)
    corners = (tensor_type.lo, tensor_type.hi, zero)
    for n in range(samples):
        if n < len(corners):
            x[n] = corners[n]
        else:
            x[n] = _structured(x[n], n, tensor_type, zero, rng)
    return x


def _structured(
    noise: IntArray, n: int, tensor_type: IntType, zero: int, rng: np.random.Generator
) -> IntArray:
    """Return one sample; its kind depends on n."""
    height, width, channels = tensor_type.shape
    rows, columns = np.ogrid[:height, :width]
    amplitude = 2 ** int(rng.integers(1, max(2, tensor_type.bits)))
    structure = n % 8
    if structure == 3:  # one value per channel
        return np.broadcast_to(noise[:1, :1], noise.shape)
    if structure == 4:  # both ends, alternating
        board = ((rows + columns)[:, :, None] + np.arange(channels)) % 2
        return np.where(board == rng.integers(2), tensor_type.lo, tensor_type.hi)
    if structure == 5:  # from one end to the other
        ramp = np.linspace(tensor_type.lo, tensor_type.hi, height * width * channels).reshape(
            noise.shape
        )
        return np.clip(np.rint(ramp), tensor_type.lo, tensor_type.hi).astype(np.int64)
    if structure == 6:  # one point
        point = np.full_like(noise, zero)
        place = tuple(int(rng.integers(size)) for size in tensor_type.shape)
        point[place] = tensor_type.hi if rng.integers(2) else tensor_type.lo
        return point
    if structure == 7:  # every value at one of the ends
        return np.where(noise > zero, tensor_type.hi, tensor_type.lo)
    small = zero + (noise - zero) // amplitude if structure % 2 else noise
    return np.clip(small, tensor_type.lo, tensor_type.hi)


def as_images(program: Program, integers: Named, seed: int) -> dict[str, NDArray[Any]]:
    """Return images (N, *port.shape) by name that ``quantize_inputs`` maps to these integers.

    Real images are drawn within half a unit of each integer, but at 0 they are 0: many values of
    real images are, few lie between 0 and the last bit. Raw pixels are the integers.
    """
    rng, images = np.random.default_rng(seed), {}
    for port, tensor_type in input_types(program):
        whole = integers[port.name]
        values: NDArray[Any] = whole.astype(np.uint8 if port.pixels else np.float64)
        if not port.pixels:
            off = np.where(values == 0, 0, rng.uniform(-0.49, 0.49, values.shape))
            # Values must not leave the range.
            inside = np.clip(values + off, tensor_type.lo, tensor_type.hi)
            values = inside * float(tensor_type.scale or 1)
        maps = values if port.channels_last else values.transpose(0, 3, 1, 2)
        images[port.name] = np.ascontiguousarray(maps).reshape(len(maps), *port.shape)
    return images
