"""`If` with a constant condition: replaced by the branch that is taken.

Exporters write such an `If` where the traced code tests a shape, as `squeeze` and `view` do. A
branch may read values of the graph around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from .constants import GraphConstants
from .opset import initializer


def nested_graphs(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """Yield the branches and bodies that nodes hold, those in them too."""
    for node in nodes:
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield graph
                yield from nested_graphs(graph.node)


def inline_branches(model: ir.Model, batch: tuple[int, int] | None) -> bool:
    """Replace every `If` whose condition is constant and independent of the batch size.

    Args:
        model: changed in place; shapes are those of the first batch size.
        batch: see `GraphConstants`.

    Returns:
        Whether a node was replaced.
    """
    nodes = [node for node in model.graph if _is_if(node)]
    if not nodes:
        return False
    constants, changed = GraphConstants(model, batch), False
    for node in nodes:
        branch = _taken(node, constants)
        if branch is not None:
            _inline(model.graph, node, branch)
            changed = True
    return changed


def _is_if(node: ir.Node) -> bool:
    return node.op_type == "If" and node.domain == ""


def _taken(node: ir.Node, constants: GraphConstants) -> ir.Graph | None:
    """Return the branch that is taken, or None if the condition is not known."""
    value = node.inputs[0] if node.inputs else None
    array = constants.array(value)
    if value is None or array is None or array.size != 1:
        return None
    if constants.depends_on_batch(value):
        other = constants.with_other_batch(value)
        if not np.array_equal(array, other):
            return None
    name = "then_branch" if array.reshape(-1)[0] else "else_branch"
    attribute = node.attributes.get(name)
    if attribute is None or attribute.type != ir.AttributeType.GRAPH:
        return None
    branch = attribute.as_graph()
    return branch if len(branch.outputs) == len(node.outputs) else None


def _inline(graph: ir.Graph, node: ir.Node, branch: ir.Graph) -> None:
    for value in list(branch.initializers.values()):
        assert value.const_value is not None
        new = initializer(graph, f"{node.name}.{value.name}", value.const_value.numpy())
        value.replace_all_uses_with(new, replace_graph_outputs=True)
    results = list(branch.outputs)
    for inner in list(branch):
        branch.remove(inner)
        inner.name = f"{node.name}.{inner.name or inner.op_type}"
        for output in inner.outputs:
            output.name = f"{node.name}.{output.name}"
            output.shape = None  # inferred again: the file's claim is not trusted
        graph.insert_before(node, inner)
    branch.outputs.clear()
    for old, result in zip(node.outputs, results, strict=True):
        if result.producer() is None:  # an outer value or parameter, as it is
            alias = ir.node("Identity", [result], name=f"{node.name}.{old.name}")
            graph.insert_before(node, alias)
            (result,) = alias.outputs
        old.replace_all_uses_with(result, replace_graph_outputs=True)
        result.name, old.name = old.name, f"{old.name}#"
        if result.type is None:
            result.type = old.type
    _release(node)
    graph.remove(node, safe=True)


def _release(node: ir.Node) -> None:
    """Disconnect the nodes of a dropped branch from the values that they read."""
    for attribute in node.attributes.values():
        for inner in attribute.as_graph() if attribute.type == ir.AttributeType.GRAPH else ():
            for index in range(len(inner.inputs)):
                inner.replace_input_with(index, None)
            _release(inner)
