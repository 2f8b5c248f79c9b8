"""The Program: a list of operations over typed tensors, in static single assignment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .interface import Interface
from .interpreter import run_real
from .operation import Op, integer
from .types import Constant, IntType, TensorType


@dataclass(frozen=True)
class MemoryPlan:
    """Byte offsets of the intermediate tensors in one static arena (input and output excluded)."""

    offsets: Mapping[str, int]
    size: int


@dataclass(frozen=True)
class Program:
    """A network as integer operations; immutable, every pass returns a new one.

    Attributes:
        name: identifier, used in generated symbols.
        interface: outer names and shapes.
        input, output: tensor names inside the program (one each).
        types: type of every tensor, the input's included.
        ops: operations in executable order.
        constants: arrays by name.
        plan: memory plan, once there is one.
        metadata: facts about the making (model hash, precision options), text to text.
        notes: what a pass wants the user to know (refusals included).
    """

    name: str
    interface: Interface
    input: str
    output: str
    types: Mapping[str, TensorType]
    ops: tuple[Op, ...]
    constants: Mapping[str, Constant]
    plan: MemoryPlan | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        types = {
            n: t.without_rows() if isinstance(t, IntType) else t for n, t in self.types.items()
        }
        object.__setattr__(self, "types", types)

    def int_type(self, tensor: str) -> IntType:
        """Return the type of a tensor that is integer: in a lowered program, any.

        Raises:
            IllegalOp: it is still real-valued.
        """
        return integer(tensor, self.types[tensor])

    def producer(self, tensor: str) -> Op | None:
        """Return the operation that defines a tensor; None for the input."""
        return self._producers.get(tensor)

    @cached_property
    def _producers(self) -> dict[str, Op]:
        return {op.output: op for op in self.ops}

    def consumers(self) -> dict[str, list[Op]]:
        """Return the operations that read each tensor."""
        readers: dict[str, list[Op]] = {name: [] for name in self.types}
        for op in self.ops:
            for name in op.inputs:
                readers[name].append(op)
        return readers

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Run the integer interpreter on real images; see ``interpreter.run_real``."""
        return run_real(self, x)
