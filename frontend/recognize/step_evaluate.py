"""Evaluation of arithmetic on comparisons: one array for all regions between thresholds at once.

Every array has the regions first, then the axes of its `Layout`: an axis that stands for axes of
the compared tensor has size 1 (or its channels), an axis added by the arithmetic its full size.
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
"""For each axis of a value the axes of the compared tensor that it runs over; () for an added one.
Merged axes keep their order."""

CHANNELS = (1,)

_TYPES = {
    ir.DataType.BOOL: np.bool_, ir.DataType.INT32: np.int64, ir.DataType.INT64: np.int64,
    ir.DataType.FLOAT: np.float64, ir.DataType.DOUBLE: np.float64, ir.DataType.UINT8: np.int64,
    ir.DataType.INT8: np.int64,
}  # fmt: skip


class NotAStep(Exception):
    """The arithmetic is of another kind."""


def broadcast_layout(first: Layout, second: Layout) -> Layout:
    """The layout of an elementwise result.

    Raises:
        NotAStep: different axes of the compared tensor would meet.
    """
    rank = max(len(first), len(second))
    pairs = zip(((),) * (rank - len(first)) + first, ((),) * (rank - len(second)) + second,
                strict=True)  # fmt: skip
    found = []
    for a, b in pairs:
        if a and b and a != b:
            raise NotAStep
        found.append(a or b)
    return tuple(found)


def reduced(array: Array, layout: Layout, sizes: tuple[int, ...]) -> Array:
    """A constant as the evaluation holds it: equal values along axes of the tensor are dropped.

    Args:
        array: broadcasts against a value of this layout.
        layout: of the value it meets.
        sizes: of that value.

    Raises:
        NotAStep: it differs between positions.
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
    """The layout behind a Reshape to `shape` that leaves the elements in order.

    Raises:
        NotAStep: it is not the tensor's own shape, a flat one, or one of these with axes of size 1.
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
        whole: Array = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))  # truncates, as ONNX does
        return whole
    with np.errstate(all="ignore"):  # levels that are no numbers are refused
        real: Array = a / b
    return real


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Identity": lambda a: a, "Not": np.logical_not, "And": np.logical_and, "Or": np.logical_or,
    "Xor": np.logical_xor, "Where": np.where, "Add": np.add, "Sub": np.subtract,
    "Mul": np.multiply, "Div": _integer_divide, "Neg": np.negative, "Abs": np.abs,
    "Sign": np.sign, "Greater": np.greater, "Less": np.less, "Equal": np.equal,
    "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal, "Floor": np.floor,
    # Of any number of inputs; numpy would take a third one for the place of its result.
    "Min": lambda *arrays: reduce(np.minimum, arrays),
    "Max": lambda *arrays: reduce(np.maximum, arrays),
    "Sum": lambda *arrays: reduce(np.add, arrays),
}  # fmt: skip
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceMin": np.min, "ReduceMax": np.max, "ArgMin": np.argmin,
    "ArgMax": np.argmax,
}  # fmt: skip


def cast(array: Array, dtype: ir.DataType) -> Array:
    """As ONNX casts: towards zero to integers, other than 0 to true.

    Raises:
        NotAStep: a type that this evaluation does not have.
    """
    if dtype not in _TYPES:
        raise NotAStep
    return array.astype(_TYPES[dtype])


def modulo(a: Array, b: Array, truncated: bool) -> Array:
    """ONNX Mod."""
    found: Array = np.fmod(a, b) if truncated else np.mod(a, b)
    return found
