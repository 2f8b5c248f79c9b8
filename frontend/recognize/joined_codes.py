"""Quantizers of joined codes: each part is quantized by itself, and the new codes are joined.

Exporters quantize a concatenation once more, because what they join has other scales. Of codes, a
quantizer then is a table from code to code, which is exact; behind the join it would compare values
of different scales, which only real numbers hold.
"""

from __future__ import annotations

import onnx_ir as ir

from ..opset import is_op
from .elementwise_copies import copies, is_elementwise, parameters_of
from .pattern import Context, Pattern
from .queries import is_standard, shape_of

_MOVES = "MaxPool Flatten Reshape Concat".split()
_SCALES = "Add Sub Mul Div".split()
_MOST_PARTS = 256
"""Quantizers whose codes a join holds; of more, tables for each part would be as many as the square
of a dense network's layers.
"""


def _quantize_parts(node: ir.Node, context: Context) -> None:
    """Move the nodes up to each quantizer that reads a Concat of codes in front of it."""
    parts = [x for x in node.inputs if x is not None]
    if len(parts) < 2 or node.attributes.get_int("axis", 1) != 1:
        return
    chains = [_up_to_quantizer(use.node, use.idx) for use in node.outputs[0].uses()]
    if any(chains) and _are_codes(parts):
        for chain in chains:
            if chain is not None:
                _distribute(node, parts, chain, context)


def _are_codes(values: list[ir.Value]) -> bool:
    """Return whether a few quantizers give tensors, but for scales, zero points and places."""
    waiting, seen, quantizers = list(values), set[ir.Value](), 0
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.producer()
        if is_op(node, "Threshold") or is_op(node, "Codebook"):
            quantizers += 1
            if quantizers > _MOST_PARTS:
                return False
            continue
        if node is None or not (is_standard(node, *_MOVES) or is_op(node, "Rearrange")):
            if node is None or not is_standard(node, *_SCALES):
                return False
            parameters = parameters_of(node, shape_of(node.inputs[0]))
            if parameters is None or any(row is not None for row in parameters.values()):
                return False
        joined = node.inputs if is_standard(node, "Concat") else node.inputs[:1]
        waiting += [x for x in joined if x is not None]
    return True


def _up_to_quantizer(node: ir.Node, index: int) -> list[ir.Node] | None:
    """Return the elementwise nodes from a reader, by its input ``index``, to the quantizer that
    they end in, if they do.
    """
    chain: list[ir.Node] = []
    while index == 0 and is_elementwise(node):
        if parameters_of(node, shape_of(node.inputs[0])) is None:
            return None
        chain.append(node)
        if is_op(node, "Threshold"):
            return chain
        uses = list(node.outputs[0].uses())
        if len(uses) != 1 or node.outputs[0].is_graph_output():
            return None
        node, index = uses[0].node, uses[0].idx
    return None


def _distribute(
    join: ir.Node, parts: list[ir.Value], chain: list[ir.Node], context: Context
) -> None:
    """Compute a chain for each part of a join, and join the results."""
    for node in chain:
        parameters = parameters_of(node, shape_of(node.inputs[0]))
        assert parameters is not None
        parts = copies(node, parts, parameters, f"{node.outputs[0].name}.part", context)
    last = chain[-1]
    joined = ir.node("Concat", parts, {"axis": 1}, name=str(join.name))
    joined.outputs[0].name = f"{last.outputs[0].name}.{join.name}"
    context.replace(last.outputs[0], context.insert(last, joined))
    for node in reversed(chain):
        node.graph.remove(node, safe=True)  # type: ignore[union-attr]


JOINED_CODES = Pattern(
    "quantizers of joined codes", frozenset({"Concat"}), _quantize_parts, backwards=True
)
