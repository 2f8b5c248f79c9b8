"""The boundary of real numbers and the integer program: images in, scaled outputs out.

This is the only floating-point arithmetic around a program, done by the host in float64 and the
same for every executor.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .interface import Interface
from .operation import integer
from .types import IntArray, IntType, TensorType


class InputError(ValueError):
    """Data that does not fit a program's interface."""


class SaturationWarning(UserWarning):
    """Some inputs lie outside the program's input range and were clamped."""


class Bounded(Protocol):
    """What the boundary knows of a Program: how it meets its user, and the types of both ends."""

    @property
    def interface(self) -> Interface: ...
    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...
    @property
    def types(self) -> Mapping[str, TensorType]: ...


def _input_type(program: Bounded) -> IntType:
    return integer(program.input, program.types[program.input])


def to_maps(program: Bounded, x: NDArray[Any]) -> NDArray[Any]:
    """Return inputs (N, *input_shape) as the program's maps (N, H, W, C), dtype kept."""
    height, width, channels = program.types[program.input].shape
    if program.interface.input_channels_last:
        return x.reshape(len(x), height, width, channels)
    return x.reshape(len(x), channels, height, width).transpose(0, 2, 3, 1)


def quantize_input(program: Bounded, x: NDArray[Any]) -> IntArray:
    """Convert images (N, *input_shape) to the input's integers (N, H, W, C), int64.

    Real ones become ``clamp(round_half_even(x / scale))``; values outside the range are clamped
    with a warning.  Raw pixels (uint8, where the program takes them) stay as they are.

    Raises:
        InputError: the dtype or the shape is wrong, or a value is not finite.
    """
    face, taken = program.interface, _input_type(program)
    x = np.asarray(x)
    if face.pixels and x.dtype != np.uint8:
        raise InputError(
            f"input {face.input!r} has dtype {x.dtype}; the program was compiled for raw pixels "
            "and takes uint8"
        )
    if not face.pixels and x.dtype.kind != "f":
        raise InputError(
            f"input {face.input!r} has dtype {x.dtype}; it takes real values as float32 or "
            "float64 (convert with .astype('float32') after the network's own preprocessing)"
        )
    if x.shape[1:] != face.input_shape or x.ndim == 0:
        raise InputError(
            f"input {face.input!r} has shape {x.shape}; it takes (N, "
            f"{', '.join(map(str, face.input_shape))}) for any N"
        )
    maps = to_maps(program, x)
    if face.pixels:
        return maps.astype(np.int64)
    if not np.isfinite(x).all():
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(x))[0])
        raise InputError(f"input {face.input!r} is not finite at index {where}: {x[where]}")
    if taken.scale is None:
        raise InputError(f"input {face.input!r} has no scale: the program takes integers only")
    with np.errstate(over="ignore"):  # what overflows is clamped like all that lies outside
        integers = np.rint(maps.astype(np.float64) * float(1 / taken.scale))
    outside = int(((integers < taken.lo) | (integers > taken.hi)).sum())
    if outside:
        low, high = (float(v * taken.scale) for v in (taken.lo, taken.hi))
        warnings.warn(
            f"{outside} of {integers.size} input values lie outside [{low:g}, {high:g}] and were "
            "clamped; compile with a wider --input-range or calibration data",
            SaturationWarning,
            stacklevel=2,
        )
    return np.clip(integers, taken.lo, taken.hi).astype(np.int64)


def check_integers(program: Bounded, x: NDArray[Any]) -> None:
    """Require integers of the input's shape and range.

    Raises:
        InputError: naming what the input is and what is taken.
    """
    taken = _input_type(program)
    if x.dtype.kind not in "iu":
        raise InputError(f"dtype {x.dtype} where integers are taken")
    if x.shape[1:] != taken.shape or x.ndim != 4:
        raise InputError(f"shape {x.shape} where (N, {', '.join(map(str, taken.shape))}) is taken")
    if x.size and not (taken.lo <= x.min() and x.max() <= taken.hi):
        raise InputError(f"values {x.min()}..{x.max()} leave [{taken.lo}, {taken.hi}]")


def real_output(program: Bounded, y: NDArray[Any]) -> NDArray[np.float64]:
    """Convert output integers (N, H, W, C) to float64 (N, *output_shape) in the model's axis order.

    Raises:
        InputError: the output has no scale, as sums have whose scale differs by channel.
    """
    tensor_type = integer(program.output, program.types[program.output])
    if tensor_type.scale is None:
        raise InputError(
            f"output {program.interface.output!r} has no scale; take its integers (--integers)"
        )
    return in_model_order(program, y.astype(np.float64) * float(tensor_type.scale))


def in_model_order(program: Bounded, maps: NDArray[Any]) -> NDArray[Any]:
    """Return output maps (N, H, W, C) as (N, *output_shape) in the model's axis order."""
    face = program.interface
    ordered = maps if face.output_channels_last else maps.transpose(0, 3, 1, 2)
    return ordered.reshape(len(maps), *face.output_shape)
