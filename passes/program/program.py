"""The Program: a list of operations over typed tensors, in static single assignment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.escape import plain
from n2uqc.frontend.host_model import HostModel
from n2uqc.frontend.sheet import Column

from .interface import Interface, only
from .interpreter import run_real
from .named import Batch, Named
from .operation import Op, Outside, integer
from .types import Constant, IntType, TensorType


@dataclass(frozen=True)
class MemoryPlan:
    """Byte offsets of the intermediate tensors, without inputs and outputs, in one static arena."""

    offsets: Mapping[str, int]
    size: int


@dataclass(frozen=True, repr=False)
class Program:
    """A network as integer operations; immutable, every pass returns a new one.

    Attributes:
        name: identifier, used in generated symbols.
        interface: outer names and shapes.
        inputs, outputs: tensor names inside the program, in the order of the interface; outputs
            may repeat a tensor, and may be read by operations too.
        types: type of every tensor, the inputs' included.
        ops: operations in executable order.
        constants: arrays by name.
        plan: memory plan, once there is one.
        metadata: facts about the making (model hash, precision options), text to text.
        notes: what a pass wants the user to know (refusals included).
        host: what the host computes of the outputs, in float64; None if they are the network's.
    """

    name: str
    interface: Interface
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: Mapping[str, TensorType]
    ops: tuple[Op, ...]
    constants: Mapping[str, Constant]
    plan: MemoryPlan | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    host: HostModel | None = None

    def __post_init__(self) -> None:
        types = {
            n: t.without_rows() if isinstance(t, IntType) else t for n, t in self.types.items()
        }
        object.__setattr__(self, "types", types)

    def __repr__(self) -> str:
        ends = (
            ", ".join(f"{port.name} {port.shape}" for port in ports)
            for ports in (self.interface.inputs, self.interface.outputs)
        )
        bits = sum(constant.storage_bits for constant in self.constants.values())
        return plain(
            f"<Program {self.name}: {' -> '.join(ends)}, {len(self.ops)} operations, "
            f"{bits / 8192:.1f} KiB of constants>"
        )

    def _repr_html_(self) -> str:
        from n2uqc.frontend.html_sheet import HtmlSheet

        sheet = HtmlSheet()
        sheet.line(repr(self).strip("<>"))
        titles = ("tensor", "operation", "inputs", "type", "made of")
        rows = [
            (
                op.output,
                op.mnemonic,
                ", ".join(op.inputs),
                str(self.types[op.output]),
                op.origin[-1] if op.origin else "",
            )
            for op in self.ops
        ]
        sheet.table([Column(title, left=True) for title in titles], rows)
        return str(sheet)

    @property
    def input(self) -> str:
        """The tensor of the only input.

        Raises:
            CompileError: there are several.
        """
        return only(self.inputs, [port.name for port in self.interface.inputs], "inputs")

    @property
    def output(self) -> str:
        """The tensor of the only output.

        Raises:
            CompileError: there are several.
        """
        return only(self.outputs, [port.name for port in self.interface.outputs], "outputs")

    def int_type(self, tensor: str) -> IntType:
        """Return the type of a tensor that is integer: in a lowered program, any.

        Raises:
            IllegalOp: it is still real-valued.
        """
        return integer(tensor, self.types[tensor])

    def producer(self, tensor: str) -> Op | None:
        """Return the operation that defines a tensor; None for an input."""
        return self._producers.get(tensor)

    @cached_property
    def _producers(self) -> dict[str, Op]:
        return {op.output: op for op in self.ops}

    def consumers(self) -> dict[str, list[Op]]:
        """Return the operations that read each tensor; an ``Outside`` for each output."""
        readers: dict[str, list[Op]] = {name: [] for name in self.types}
        for op in self.ops:
            for name in op.inputs:
                readers[name].append(op)
        for name in self.outputs:
            readers[name].append(Outside(output="", inputs=(name,)))
        return readers

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    @overload
    def __call__(self, x: NDArray[np.floating]) -> NDArray[Any]: ...
    @overload
    def __call__(self, x: Named) -> dict[str, NDArray[Any]]: ...
    def __call__(self, x: Batch) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Run the integer interpreter on real images; see ``interpreter.run_real``."""
        return run_real(self, x)
