"""Inputs that the file itself takes as uint8: raw images, which a Cast makes real numbers.

A graph holds them as real inputs without the Cast, whose numbers are the same; the model's ``meta``
names them, and the importer gives them 8 bits.
"""

from __future__ import annotations

import onnx_ir as ir

PIXELS = "n2uq.pixels"
"""Key of a model's ``meta``: names of the inputs that take uint8, a tuple."""

_MOVES = frozenset("Transpose Reshape Flatten Squeeze Unsqueeze Identity".split())
"""Operators that may stand between an input and its Cast."""


def as_real_inputs(model: ir.Model) -> None:
    """Make inputs of bytes that only Casts to float32 read real inputs, in place."""
    found: list[str] = []
    for value in model.graph.inputs:
        if value.dtype != ir.DataType.UINT8 or value.is_initializer():
            continue
        moved = _until_casts(value)
        if moved is None:
            continue
        for each in moved:
            each.type = ir.TensorType(ir.DataType.FLOAT)
        found.append(str(value.name))
    model.meta[PIXELS] = tuple(found)


def _until_casts(value: ir.Value) -> list[ir.Value] | None:
    """Return the values of bytes that an input leads to; None if not all of them become real."""
    found = [value]
    for each in found:
        if each.is_graph_output():
            return None
        for use in each.uses():
            node = use.node
            if node.domain != "" or use.idx != 0:
                return None
            if node.op_type in _MOVES:
                found += node.outputs
            elif node.op_type == "Cast":
                if node.attributes.get_int("to") != ir.DataType.FLOAT:
                    return None
            elif node.op_type != "Shape":
                return None
    return found
