"""The numpy interpreter: the meaning of a program, run.  Every backend must equal it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from . import boundary
from .interface import only
from .named import Batch, Named, Runner, by_name
from .operation import Op
from .types import Constant, IntArray, IntType


class RangeError(AssertionError):
    """A tensor left its proven range: a fault of the compiler, never of the input."""


class Executable(boundary.HasInterface, Protocol):
    """What the interpreter knows of a Program: operations in executable order, and constants."""

    @property
    def ops(self) -> Sequence[Op]: ...
    @property
    def constants(self) -> Mapping[str, Constant]: ...


def steps(program: Executable, x: Batch) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield every tensor in order of definition, as (name, batch (N, H, W, C)).

    Args:
        program: any program.
        x: a batch of the only input, or batches by the names of inputs.
    """
    given = by_name(program.interface.inputs, x).values()
    values: dict[str, NDArray[Any]] = dict(zip(program.inputs, given, strict=True))
    yield from tuple(values.items())
    last_use = {name: k for k, op in enumerate(program.ops) for name in op.inputs}
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
            if last_use[name] == k and name not in program.outputs:
                del values[name]


def as_real(program: Executable, name: str, value: NDArray[Any]) -> NDArray[np.float64]:
    """Return how a real operation sees a tensor: an integer one times its scale."""
    tensor_type = program.types[name]
    scale = float(tensor_type.scale or 1) if isinstance(tensor_type, IntType) else 1.0
    return value.astype(np.float64) * scale


@overload
def run(program: Executable, x: NDArray[Any], *, chunk: int = 32) -> IntArray: ...
@overload
def run(program: Executable, x: Named, *, chunk: int = 32) -> dict[str, IntArray]: ...
def run(program: Executable, x: Batch, *, chunk: int = 32) -> IntArray | dict[str, IntArray]:
    """Run integers through the program.

    Args:
        program: a lowered program.
        x: integers of the inputs' types, (N, H, W, C) of any integer dtype, by name; a bare array
            where there is one input and one output.
        chunk: samples a piece, which bounds the memory.

    Returns:
        int64 (N, H, W, C) of the outputs by name; of the only one for a bare array.

    Raises:
        CompileError: a bare array, and there are several inputs or outputs.
        InputError: an input is missing or too much, or of a wrong shape, dtype or range.
    """

    def compute(given: Named) -> Named:
        boundary.check_integers(program, given)
        count = len(next(iter(given.values())))
        pieces: list[dict[str, NDArray[Any]]] = []
        for start in range(0, count, chunk):
            part = {n: v[start : start + chunk].astype(np.int64) for n, v in given.items()}
            pieces.append({n: v for n, v in steps(program, part) if n in program.outputs})
        result = {}
        for port, name in zip(program.interface.outputs, program.outputs, strict=True):
            none = np.empty((0, *program.types[name].shape), np.int64)
            result[port.name] = np.concatenate([p[name] for p in pieces]) if pieces else none
        return result

    return Runner(program.interface, compute)(x)


def trace(program: Executable, x: Batch) -> dict[str, IntArray]:
    """Return all named tensors of a run, int64 (N, H, W, C) each; inputs as for ``run``."""
    given = by_name(program.interface.inputs, x)
    boundary.check_integers(program, given)
    return dict(steps(program, {name: v.astype(np.int64) for name, v in given.items()}))


@overload
def run_real(program: Executable, x: NDArray[np.floating]) -> NDArray[Any]: ...
@overload
def run_real(program: Executable, x: Named) -> dict[str, NDArray[Any]]: ...
def run_real(program: Executable, x: Batch) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """Run the integer program on real images; return the network's outputs.

    Args:
        program: a lowered program.
        x: float32 or float64 (N, *port.shape) of each input by name; a bare array where there is
            one input and one output.

    Returns:
        float64 (N, *port.shape) of each output by name, or what the host computes of them; of the
        only one for a bare array.
    """
    names = boundary.result_names(program)
    wanted = None if isinstance(x, Mapping) else only(names, names, "outputs")
    integers = run(program, boundary.quantize_inputs(program, x))
    outputs = boundary.real_outputs(program, integers)
    return outputs if wanted is None else outputs[wanted]
