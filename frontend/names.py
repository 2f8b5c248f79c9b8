"""The names in an ONNX file, checked before anything reads or shows them."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from .diagnostics import CompileError, Problem
from .escape import plain, unprintable

_SHOWN = 60


def check_names(model: onnx.ModelProto) -> None:
    """Refuse names that act on a screen instead of being seen on it.

    Any printable text is a name, of whatever script; what writes it down escapes it.

    Raises:
        CompileError: listing them: control characters, ends of lines, marks of direction,
            characters of no width.
    """
    problems = {}
    for what, name in _names(model):
        # Bytes that are no UTF-8 come as bytes.
        if isinstance(name, str) and name not in problems and (found := unprintable(name)):
            problems[name] = Problem(
                plain(name)[:_SHOWN],
                what,
                f"its name holds the character {found}",
                "printable names",
                "rename it and export the model again",
            )
    if problems:
        raise CompileError(problems.values())


def _names(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    for opset in model.opset_import:
        yield "opset", opset.domain
    yield from _of_graph(model.graph)
    for function in model.functions:
        for name in (function.name, function.domain, function.overload):
            yield "function", name
        for name in (*function.input, *function.output, *function.attribute):
            yield "tensor", name
        for opset in function.opset_import:
            yield "opset", opset.domain
        for node in function.node:
            yield from _of_node(node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[tuple[str, str]]:
    yield "graph", graph.name
    for what, values in (
        ("input", graph.input),
        ("output", graph.output),
        ("tensor", graph.value_info),
    ):
        for value in values:
            yield what, value.name
            for size in value.type.tensor_type.shape.dim:
                yield "axis", size.dim_param
    for tensor in graph.initializer:
        yield from _of_tensor(tensor)
    for sparse in graph.sparse_initializer:
        yield "initializer", sparse.values.name
    for node in graph.node:
        yield from _of_node(node)


def _of_tensor(tensor: onnx.TensorProto) -> Iterator[tuple[str, str]]:
    yield "initializer", tensor.name
    for entry in tensor.external_data:
        yield "external data", entry.value


def _of_node(node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    for name in (node.name, node.op_type, node.domain):
        yield "node", name
    for name in (*node.input, *node.output):
        yield "tensor", name
    for attribute in node.attribute:
        yield "attribute", attribute.name
        if attribute.HasField("g"):
            yield from _of_graph(attribute.g)
        for graph in attribute.graphs:
            yield from _of_graph(graph)
        if attribute.HasField("t"):
            yield from _of_tensor(attribute.t)
