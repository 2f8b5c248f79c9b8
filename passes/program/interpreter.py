"""The numpy interpreter: the meaning of a program, run.  Every backend must equal it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import boundary
from .operation import Op
from .types import Constant, IntArray, IntType


class RangeError(AssertionError):
    """A tensor left its proven range: a fault of the compiler, never of the input."""


class Executable(boundary.Bounded, Protocol):
    """What the interpreter knows of a Program: operations in executable order, and constants."""

    @property
    def ops(self) -> Sequence[Op]: ...
    @property
    def constants(self) -> Mapping[str, Constant]: ...


def steps(program: Executable, x: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield every tensor in order of definition, as (name, batch (N, H, W, C))."""
    values: dict[str, NDArray[Any]] = {program.input: x}
    last_use = {name: k for k, op in enumerate(program.ops) for name in op.inputs}
    yield program.input, x
    for k, op in enumerate(program.ops):
        operands = [values[i] for i in op.inputs]
        if op.real:
            operands = [as_real(program, i, v) for i, v in zip(op.inputs, operands, strict=True)]
        result = op.execute(operands, program.constants)
        tensor_type = program.types[op.output]
        if isinstance(tensor_type, IntType) and result.size:
            low, high = int(result.min()), int(result.max())
            if low < tensor_type.lo or high > tensor_type.hi:
                raise RangeError(f"%{op.output} took [{low}, {high}], proven {tensor_type}")
        values[op.output] = result
        yield op.output, result
        for name in set(op.inputs):
            if last_use[name] == k and name != program.output:
                del values[name]


def as_real(program: Executable, name: str, value: NDArray[Any]) -> NDArray[np.float64]:
    """Return how a real operation sees a tensor: an integer one times its scale."""
    tensor_type = program.types[name]
    scale = float(tensor_type.scale or 1) if isinstance(tensor_type, IntType) else 1.0
    return value.astype(np.float64) * scale


def run(program: Executable, x: NDArray[Any], *, chunk: int = 32) -> IntArray:
    """Run integers through the program.

    Args:
        program: a lowered program.
        x: integers of the input's type, (N, H, W, C) of any integer dtype.
        chunk: samples a piece, which bounds the memory.

    Returns:
        int64 (N, H, W, C) of the output tensor.

    Raises:
        InputError: wrong shape, dtype or range.
    """
    boundary.check_integers(program, x)
    pieces = []
    for start in range(0, len(x), chunk):
        piece = x[start : start + chunk].astype(np.int64)
        for name, value in steps(program, piece):
            if name == program.output:
                pieces.append(value)
    shape = program.types[program.output].shape
    return np.concatenate(pieces) if pieces else np.empty((0, *shape), np.int64)


def trace(program: Executable, x: NDArray[Any]) -> dict[str, IntArray]:
    """Return all named tensors of a run, int64 (N, H, W, C) each; input as for ``run``."""
    boundary.check_integers(program, x)
    return dict(steps(program, x.astype(np.int64)))


def run_real(program: Executable, x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Run the integer program on real images; return real outputs.

    Args:
        program: a lowered program.
        x: float32 or float64 (N, *interface.input_shape).

    Returns:
        float64 (N, *interface.output_shape).
    """
    integers = boundary.quantize_input(program, x)
    return boundary.real_output(program, run(program, integers))
