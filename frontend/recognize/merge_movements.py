"""Movements in a row are one, once nothing stands between them; those that undo each other none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import is_op, make_rearrange, read_rearrange
from ..places import OUTSIDE, combined, factored
from .pattern import Context
from .queries import shape_of
from .spread import IN_PLACE
from .transposed_convolution import PHASES


def merged(node: ir.Node, context: Context) -> ir.Node | None:
    """Let a Rearrange read what the one before it reads, if tables by axis say where.

    Returns:
        The Rearrange that gives the result now; None where no element moves.
    """
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    if before is None or not is_op(before, "Rearrange"):
        return node
    if any(each.meta.get(key) for each in (node, before) for key in (IN_PLACE, PHASES)):
        return node
    source, value, shape = before.inputs[0], node.outputs[0], shape_of(node.outputs[0])
    assert source is not None
    first, second = combined(read_rearrange(before)), combined(read_rearrange(node))
    places = np.where(second == OUTSIDE, OUTSIDE, first.reshape(-1)[second])
    still = np.array_equal(places.reshape(-1), np.arange(places.size))
    result: ir.Node | None = None
    if shape != shape_of(source) or not still or value.is_graph_output():
        tables = factored(places)
        if tables is None:
            return node
        result = make_rearrange(context.graph, source, tables, shape, str(node.name))
        context.replace(value, context.insert(node, result))
    else:
        context.replace(value, source)
    context.graph.remove(node, safe=True)
    if not before.outputs[0].uses() and not before.outputs[0].is_graph_output():
        context.graph.remove(before, safe=True)
    return result
