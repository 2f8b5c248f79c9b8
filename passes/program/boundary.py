"""The boundary of real numbers and the integer program: images in, scaled outputs out.

This is the only floating-point arithmetic around a program, done by the host in float64 and the
same for every executor.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.host_model import HostModel

from .interface import Interface, Port, only
from .named import Batch, InputError, Named, by_name
from .operation import integer
from .types import IntArray, IntType, TensorType


class SaturationWarning(UserWarning):
    """Some inputs lie outside the program's input range and were clamped.

    Attributes:
        port: name of the input.
        outside, values: number of such values, and of all.
        ends: least and greatest real value of the range.
    """

    def __init__(self, port: str, outside: int, values: int, ends: tuple[float, float]) -> None:
        self.port, self.outside, self.values, self.ends = port, outside, values, ends
        super().__init__(
            f"{outside} of {values} input values lie outside [{ends[0]:g}, {ends[1]:g}] and were "
            "clamped; compile with a wider --input-range or calibration data"
        )


class HasInterface(Protocol):
    """What the boundary knows of a Program: how it meets its user, and the types of both ends."""

    @property
    def interface(self) -> Interface: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def host(self) -> HostModel | None: ...
    @property
    def types(self) -> Mapping[str, TensorType]: ...


def input_types(program: HasInterface) -> Iterator[tuple[Port, IntType]]:
    """Yield each input with its type, which must be integer."""
    for port, name in zip(program.interface.inputs, program.inputs, strict=True):
        yield port, integer(name, program.types[name])


def output_types(program: HasInterface) -> Iterator[tuple[Port, IntType]]:
    """Yield each output with its type, which must be integer."""
    for port, name in zip(program.interface.outputs, program.outputs, strict=True):
        yield port, integer(name, program.types[name])


def to_maps(port: Port, tensor_type: TensorType, x: NDArray[Any]) -> NDArray[Any]:
    """Return an input (N, *port.shape) as the program's maps (N, H, W, C), dtype kept."""
    height, width, channels = tensor_type.shape
    if port.channels_last:
        return x.reshape(len(x), height, width, channels)
    return x.reshape(len(x), channels, height, width).transpose(0, 2, 3, 1)


def quantize_inputs(program: HasInterface, x: Batch, *, first: int = 0) -> dict[str, IntArray]:
    """Convert inputs (N, *port.shape) by name to their integers (N, H, W, C), int64.

    Real ones become ``clamp(round_half_even(x / scale))``; values outside the range are clamped
    with a warning.  Raw pixels (uint8, where the program takes them) stay as they are.

    Args:
        program: how it meets its user.
        x: the inputs by name; a bare array where there is one.
        first: index of the first sample in a larger batch, for messages.

    Raises:
        InputError: an input is missing or too much, its dtype or shape is wrong, or a value is not
            finite.
    """
    if isinstance(x, Mapping):
        x = {name: np.asarray(value) for name, value in x.items()}
    given = by_name(program.interface.inputs, x if isinstance(x, Mapping) else np.asarray(x))
    return {
        p.name: _quantized(p, tensor_type, given[p.name], first)
        for p, tensor_type in input_types(program)
    }


def quantize_input(program: HasInterface, x: NDArray[Any]) -> IntArray:
    """Convert images (N, *shape) to the integers of the only input; see ``quantize_inputs``.

    Raises:
        CompileError: there are several inputs.
        InputError: the dtype or the shape is wrong, or a value is not finite.
    """
    port = program.interface.input
    return quantize_inputs(program, {port.name: x})[port.name]


def _quantized(port: Port, taken: IntType, x: NDArray[Any], first: int) -> IntArray:
    if port.pixels and x.dtype != np.uint8:
        raise InputError(
            f"input {port.name!r} has dtype {x.dtype}; the program was compiled for raw pixels "
            "and takes uint8"
        )
    if not port.pixels and x.dtype.kind != "f":
        raise InputError(
            f"input {port.name!r} has dtype {x.dtype}; it takes real values as float32 or "
            "float64 (convert with .astype('float32') after the network's own preprocessing)"
        )
    if x.shape[1:] != port.shape or x.ndim == 0:
        raise InputError(
            f"input {port.name!r} has shape {x.shape}; it takes (N, "
            f"{', '.join(map(str, port.shape))}) for any N"
        )
    maps = to_maps(port, taken, x)
    if port.pixels:
        return maps.astype(np.int64)
    if not np.isfinite(x).all():
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(x))[0])
        place = (where[0] + first, *where[1:])
        raise InputError(f"input {port.name!r} is not finite at index {place}: {x[where]}")
    if taken.scale is None:
        raise InputError(f"input {port.name!r} has no scale: the program takes integers only")
    with np.errstate(over="ignore"):  # what overflows is clamped like all that lies outside
        integers = np.rint(maps.astype(np.float64) * float(1 / taken.scale))
    outside = int(((integers < taken.lo) | (integers > taken.hi)).sum())
    if outside:
        low, high = map(float, taken.real_ends)
        warnings.warn(
            SaturationWarning(port.name, outside, integers.size, (low, high)), stacklevel=3
        )
    return np.clip(integers, taken.lo, taken.hi).astype(np.int64)


def check_integers(program: HasInterface, x: Named) -> None:
    """Require integers of the shape and range of each input.

    Raises:
        InputError: naming what the input is and what is taken.
    """
    for port, taken in input_types(program):
        try:
            require_integers(x[port.name], taken.shape, (taken.lo, taken.hi))
        except InputError as error:
            if len(program.inputs) == 1:
                raise
            raise InputError(f"input {port.name!r}: {error}") from None


def require_integers(x: NDArray[Any], shape: tuple[int, ...], ends: tuple[int, int]) -> None:
    """Require a batch (N, *shape) of integers between two ends.

    Raises:
        InputError: it is none.
    """
    if x.dtype.kind not in "iu":
        raise InputError(f"dtype {x.dtype} where integers are taken")
    if x.shape[1:] != shape or x.ndim != 4:
        raise InputError(f"shape {x.shape} where (N, {', '.join(map(str, shape))}) is taken")
    if x.size and not (ends[0] <= x.min() and x.max() <= ends[1]):
        raise InputError(f"values {x.min()}..{x.max()} leave [{ends[0]}, {ends[1]}]")


def result_names(program: HasInterface) -> tuple[str, ...]:
    """Return the names of the network's outputs, which the host may compute of the program's."""
    if program.host is not None:
        return program.host.outputs
    return tuple(port.name for port in program.interface.outputs)


def real_outputs(program: HasInterface, y: Named) -> dict[str, NDArray[Any]]:
    """Return the network's outputs by name, from the program's integers (N, H, W, C).

    They are float64 (N, *port.shape) in the model's axis order, indices int64, or what the host
    computes of them.

    Raises:
        InputError: an output has no scale, as sums have whose scale differs by channel.
    """
    scaled = scaled_outputs(program, y)
    return dict(scaled) if program.host is None else program.host(scaled)


def scaled_outputs(program: HasInterface, y: Named) -> dict[str, NDArray[Any]]:
    """Convert the program's outputs by name, integers (N, H, W, C), to float64 (N, *port.shape),
    in the model's axis order; indices to int64.

    Raises:
        InputError: an output has no scale, as sums have whose scale differs by channel.
    """
    outputs: dict[str, NDArray[Any]] = {}
    for port, tensor_type in output_types(program):
        if port.indices:
            outputs[port.name] = in_model_order(port, y[port.name].astype(np.int64))
            continue
        if tensor_type.scale is None:
            raise InputError(f"output {port.name!r} has no scale; take its integers (--integers)")
        real = y[port.name].astype(np.float64) * float(tensor_type.scale)
        outputs[port.name] = in_model_order(port, real)
    return outputs


def real_output(program: HasInterface, y: NDArray[Any]) -> NDArray[Any]:
    """Convert the integers of the only output; see ``real_outputs``.

    Raises:
        CompileError: there are several outputs.
        InputError: it has no scale.
    """
    names = result_names(program)
    return real_outputs(program, {program.interface.output.name: y})[only(names, names, "outputs")]


def in_model_order(port: Port, maps: NDArray[Any]) -> NDArray[Any]:
    """Return an output's maps (N, H, W, C) as (N, *port.shape) in the model's axis order."""
    ordered = maps if port.channels_last else maps.transpose(0, 3, 1, 2)
    return ordered.reshape(len(maps), *port.shape)


def memory_places(program: HasInterface) -> dict[str, IntArray]:
    """Return the place in memory of each element of each output of a sample, by name: int64 of the
    port's shape, in the model's axis order.
    """
    return {
        port.name: in_model_order(port, np.arange(each.size).reshape(1, *each.shape))[0]
        for port, each in output_types(program)
    }
