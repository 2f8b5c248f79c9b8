"""Batches by the names of inputs and outputs; bare arrays where a program has one of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from numpy.typing import NDArray

from n2uqc.frontend.escape import plain

from .interface import Interface, Port, only

Named = Mapping[str, NDArray[Any]]
"""Arrays by the names of inputs or outputs in the ONNX model, the batch first."""

Batch = NDArray[Any] | Named


class InputError(ValueError):
    """Data that does not fit a program's interface."""


def by_name(ports: Sequence[Port], x: Batch) -> dict[str, NDArray[Any]]:
    """Return a batch by the names of all inputs, in their order.

    Args:
        ports: the program's inputs.
        x: an array for the only input, or arrays by name.

    Raises:
        CompileError: an array where there are several inputs.
        InputError: an input is missing or too much, or batches differ.
    """
    names = [port.name for port in ports]
    if not isinstance(x, Mapping):
        return {only(names, names, "inputs"): x}
    for what, wrong in (
        ("missing", [name for name in names if name not in x]),
        ("no input", [name for name in x if name not in names]),
    ):
        if wrong:
            shown = ", ".join(plain(repr(name)) for name in wrong[:8])
            raise InputError(
                f"{what}: {shown}{', …' if len(wrong) > 8 else ''}; the network's inputs are "
                f"{', '.join(plain(repr(name)) for name in names)}"
            )
    counts = {name: len(x[name]) if x[name].ndim else 0 for name in names}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{plain(repr(name))} has {count}" for name, count in counts.items())
        raise InputError(f"inputs of different numbers of samples: {told}")
    return {name: x[name] for name in names}


def samples(x: Batch) -> int:
    """Return the number of samples of a batch, 0 of one without axes."""
    first = next(iter(x.values())) if isinstance(x, Mapping) else x
    return len(first) if first.ndim else 0


def some(x: Batch, part: slice) -> Batch:
    """Return a part of a batch's samples."""
    if isinstance(x, Mapping):
        return {name: value[part] for name, value in x.items()}
    return x[part]


class Runner:
    """A function of integers that one program has on one executor.

    It takes arrays by the names of inputs and returns those of outputs, int64 (N, H, W, C). Where
    there is one input and one output, it takes and returns bare arrays too.

    Args:
        face: the program's interface.
        compute: the function, by name.
    """

    def __init__(self, face: Interface, compute: Callable[[Named], Named]) -> None:
        self.face, self.compute = face, compute

    @overload
    def __call__(self, x: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, x: Named) -> dict[str, NDArray[Any]]: ...
    def __call__(self, x: Batch) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Compute a batch.

        Raises:
            CompileError: a bare array, and the program has several inputs or outputs.
            InputError: an input is missing or too much; or of a wrong dtype, shape or range.
        """
        result: str | None = None
        if not isinstance(x, Mapping):
            result = self.face.output.name
        outputs = self.compute(by_name(self.face.inputs, x))
        return dict(outputs) if result is None else outputs[result]
