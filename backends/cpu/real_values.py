"""What C computes in floating point behind the library: real values, Softmax and the like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from n2uqc.frontend.host_model import LAYOUT, HostModel
from n2uqc.frontend.index_heads import StaysOnHost, places_of
from n2uqc.passes.program import Program
from n2uqc.passes.program.boundary import memory_places, output_types

_SUFFIXES = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_AXIS_ALONE = 13
"""Version of ONNX's operators from which on Softmax is along one axis."""


@dataclass(frozen=True)
class HostFunction:
    """A function of one output of the library, in the order of its integers.

    Attributes:
        output: name of the network's output that it gives.
        source: name of the library's output that it reads.
        op: ONNX's name of it.
        size: elements side by side that are taken together; 1 for Sigmoid.
    """

    output: str
    source: str
    op: str
    size: int


def real_functions(program: Program) -> Iterator[HostFunction]:
    """Yield the network's outputs that are such a function of one output of the program."""
    host = program.host
    if host is None:
        return
    makers = {out: node for node in host.proto.graph.node for out in node.output}
    places = memory_places(program)
    for name in host.outputs:
        node = makers.get(name)
        while node is not None and node.op_type in LAYOUT - {"Slice", "Split"}:
            node = makers.get(node.input[0])
        if node is None or node.op_type not in _SUFFIXES:
            continue
        try:
            source, read = places_of(node.input[0], host, places)
        except StaysOnHost:
            continue
        size = _together(node, host, read)
        if size and read.size == places[source].size:
            yield HostFunction(name, source, node.op_type, size)


def _together(node: onnx.NodeProto, host: HostModel, read: np.ndarray[Any, Any]) -> int:
    """Return how many elements that lie side by side a node takes together; 0 if others do."""
    if node.op_type == "Sigmoid":
        return 1
    axis = next((a.i for a in node.attribute if a.name == "axis"), -1) % (read.ndim + 1) - 1
    version = next(each.version for each in host.proto.opset_import if not each.domain)
    if version < _AXIS_ALONE or axis < 0:
        return 0
    size = read.shape[axis]
    rows = np.moveaxis(read, axis, -1).reshape(-1, size) // size
    return size if bool((rows == rows[:, :1]).all()) else 0


def describe(program: Program, outputs: list[dict[str, Any]]) -> list[str]:
    """Add to the descriptions of outputs what is computed of each in C; return the network's
    outputs that are.
    """
    functions = list(real_functions(program))
    for described, (port, tensor_type) in zip(outputs, output_types(program), strict=True):
        scale = None if port.indices or tensor_type.scale is None else tensor_type.scale
        own = [each for each in functions if each.source == port.name]
        described["scale_literal"] = None if scale is None else repr(float(scale))
        described["functions"] = []
        for each in own if scale is not None else ():
            before = sum(f["op"] == each.op for f in described["functions"])
            name = _SUFFIXES[each.op] + (f"_{before}" if before else "")
            facts = {"name": name, "op": each.op, "size": each.size, "output": each.output}
            described["functions"].append(facts)
    return [f["output"] for described in outputs for f in described["functions"]]
