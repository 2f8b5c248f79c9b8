"""The builder of a Program of the real dialect, for the walk over a graph."""

from __future__ import annotations

import re
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.frontend import opset

from ..program import Op
from ..program.types import Constant, TensorType
from .naming import readable_names

Array = NDArray[Any]

_LONGEST = 100  # most characters of a tensor's name, which becomes part of symbols and file names

MOST_CHANNELS = 2**19
"""Most channels of all tensors together, each of which takes exact arithmetic, beside one for each
number among the network's parameters: real networks have several for a channel.
"""


class NodeRefusal(Exception):
    """A node cannot be imported; the arguments are (found, supported, hint)."""


class Importer:
    """Collects operations, types and constants during one walk over a graph."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.consts: dict[str, Constant] = {}
        self.names: dict[ir.Value, str] = {}
        self.taken: dict[str, int] = {}  # for each name, how many tensors have it as a base
        self._together = 0
        parameters = (value.const_value for value in graph.initializers.values())
        self._most = MOST_CHANNELS + sum(array.size for array in parameters if array is not None)
        nodes = [n for n in graph if not opset.is_op(n, "Weight")]
        self.readable = readable_names(nodes)

    def name(self, wish: str) -> str:
        """Return a free name of a tensor or constant, based on ``wish``."""
        base = re.sub(r"[^\w.]+", "_", wish, flags=re.ASCII).strip("_.")[:_LONGEST] or "t"
        name = base
        while name in self.taken:
            name, self.taken[base] = f"{base}_{self.taken[base]}", self.taken[base] + 1
        self.taken[name] = 1
        return name

    def channels(self, value: ir.Value) -> int:
        return self.types[self.names[value]].shape[2]

    def emit(
        self, cls: type[Op], node: ir.Node, *inputs: str, last: bool = True, **attributes: Any
    ) -> str:
        """Append an operation for a node and return its output; the last one of a node has the name
        of the ONNX output.
        """
        value, wish = node.outputs[0], self.readable[node]
        op = cls(
            output=self.name(wish if last else f"{wish}.{cls.mnemonic.removeprefix('real_')}"),
            inputs=inputs,
            origin=(node.name or value.name or wish,),
            **attributes,
        )
        self.types[op.output] = op.infer(self.types, self.consts)
        self._together += self.types[op.output].shape[2]
        if self._together > self._most:
            raise NodeRefusal(
                f"up to here the network's tensors have {self._together:,} channels",
                f"at most {self._most:,} in a network with so few parameters",
                "",
            )
        self.ops.append(op)
        if last:
            self.names[value] = op.output
        return op.output

    def operand(self, node: ir.Node, index: int = 0) -> str:
        value = node.inputs[index]
        if value is None or value not in self.names:
            raise NodeRefusal(f"input {index} is not a computed tensor", "a tensor", "")
        return self.names[value]

    def constant(self, node: ir.Node, index: int) -> Array | None:
        return opset.constant(node.inputs[index]) if index < len(node.inputs) else None
