"""Evaluation of arithmetic on comparisons, for all regions between thresholds at once.

The first axis of every array is the region; the others are those of its `Layout`. An axis that
represents axes of the compared tensor has size 1, or its channels; an axis that the arithmetic adds
has its full size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from .queries import Array

Layout = tuple[tuple[int, ...], ...]
"""The axes of the compared tensor that each axis of a value represents, in order; () for an
axis that the arithmetic added.
"""

CHANNELS = (1,)

_TYPES = {
    ir.DataType.BOOL: np.bool_, ir.DataType.INT32: np.int64, ir.DataType.INT64: np.int64,
    ir.DataType.FLOAT: np.float64, ir.DataType.DOUBLE: np.float64, ir.DataType.UINT8: np.int64,
    ir.DataType.INT8: np.int64,
}  # fmt: skip


class NotAStep(Exception):
    """The arithmetic is no step function that can be evaluated here."""


def broadcast_layout(first: Layout, second: Layout) -> Layout:
    """Return the layout of an elementwise operator's result.

    Raises:
        NotAStep: different axes of the compared tensor would be combined.
    """
    rank = max(len(first), len(second))
    pairs = zip(((),) * (rank - len(first)) + first, ((),) * (rank - len(second)) + second,
                strict=True)  # fmt: skip
    axes = []
    for a, b in pairs:
        if a and b and a != b:
            raise NotAStep
        axes.append(a or b)
    return tuple(axes)


def reduced(array: Array, layout: Layout, sizes: tuple[int, ...]) -> Array:
    """Return a constant for the evaluation: axes of the compared tensor are reduced to size 1.

    Args:
        array: the constant, which broadcasts to a value of this layout.
        layout: layout of that value.
        sizes: shape of that value.

    Raises:
        NotAStep: the constant differs between positions.
    """
    lead = array.ndim - len(layout)
    for axis in range(lead, array.ndim):
        runs = layout[axis - lead]
        if not runs or array.shape[axis] == 1:
            continue
        first = array.take([0], axis)
        if array.shape[axis] != sizes[axis - lead]:
            raise NotAStep
        if (array == first).all():
            array = first
        elif runs != CHANNELS:
            raise NotAStep
    return array[None]


def reshape_layout(layout: Layout, shape: tuple[int, ...], base: tuple[int, ...]) -> Layout:
    """Return the layout after a Reshape to `shape`.

    Raises:
        NotAStep: `shape` is neither the tensor's shape nor flat, apart from axes of size 1.
    """
    if tuple(axis for runs in layout for axis in runs) != tuple(range(len(base))):
        raise NotAStep
    if shape == base:
        return tuple((axis,) for axis in range(len(base)))
    inner = tuple(size for size in shape if size != 1)
    if inner == (prod(base),):
        flat = tuple(range(len(base)))
        return tuple(flat if size != 1 else () for size in shape)
    if inner == base:
        axes = iter(range(len(base)))
        return tuple((next(axes),) if size != 1 else () for size in shape)
    raise NotAStep


def _integer_divide(a: Array, b: Array) -> Array:
    if np.issubdtype(np.result_type(a, b), np.integer):
        if np.any(b == 0):
            raise NotAStep
        whole: Array = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))  # ONNX truncates
        return whole
    with np.errstate(all="ignore"):  # levels that are not finite are refused later
        real: Array = a / b
    return real


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Identity": lambda a: a, "Not": np.logical_not, "And": np.logical_and, "Or": np.logical_or,
    "Xor": np.logical_xor, "Where": np.where, "Add": np.add, "Sub": np.subtract,
    "Mul": np.multiply, "Div": _integer_divide, "Neg": np.negative, "Abs": np.abs,
    "Sign": np.sign, "Greater": np.greater, "Less": np.less, "Equal": np.equal,
    "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal, "Floor": np.floor,
    # Min, Max and Sum take any number of inputs; a third argument of a ufunc would be its output.
    "Min": lambda *arrays: reduce(np.minimum, arrays),
    "Max": lambda *arrays: reduce(np.maximum, arrays),
    "Sum": lambda *arrays: reduce(np.add, arrays),
}  # fmt: skip
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceMin": np.min, "ReduceMax": np.max, "ArgMin": np.argmin,
    "ArgMax": np.argmax,
}  # fmt: skip


def cast(array: Array, dtype: ir.DataType) -> Array:
    """Cast as ONNX does: toward zero for integers, nonzero to true for bool.

    Raises:
        NotAStep: the type is not supported here.
    """
    if dtype not in _TYPES:
        raise NotAStep
    return array.astype(_TYPES[dtype])


def modulo(a: Array, b: Array, truncated: bool) -> Array:
    """Compute ONNX's Mod."""
    remainder: Array = np.fmod(a, b) if truncated else np.mod(a, b)
    return remainder


def aligned(arrays: list[Array]) -> list[Array]:
    """Align the axes after the region axis from the right, as broadcasting does."""
    rank = max(a.ndim for a in arrays)
    return [a.reshape(a.shape[0], *[1] * (rank - a.ndim), *a.shape[1:]) for a in arrays]
