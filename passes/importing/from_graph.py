"""Exact import of the canonical ONNX graph, node by node, as a Program of the real dialect."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from n2uqc.frontend import opset
from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.edges import changes_no_map, entry, exit_, map_shape

from ..program import Interface, Program
from ..program.types import RealType
from .builder import Importer, NodeRefusal
from .node_rules import RULES


def _sample_shape(value: ir.Value) -> tuple[int, ...]:
    """Return the static shape without the batch axis."""
    if value.shape is None or not all(isinstance(d, int) for d in list(value.shape)[1:]):
        raise CompileError(
            Problem(
                node=value.name or "?",
                op="input/output",
                found=f"shape {value.shape}",
                supported="a static shape behind the batch axis",
                hint="export with fixed height and width",
            )
        )
    return tuple(int(d) for d in list(value.shape)[1:])  # type: ignore[arg-type]


def import_graph(model: ir.Model, name: str = "network") -> Program:
    """Import a network as a Program of the real dialect.

    Args:
        model: canonical graph from ``frontend.load_graph``.
        name: the program's name.

    Raises:
        CompileError: lists every node that cannot be imported.
    """
    graph = model.graph
    to = Importer(graph)
    source, result = _single(graph.inputs, "inputs"), _single(graph.outputs, "outputs")
    first, last = entry(graph), exit_(graph)
    edges = {*first.nodes, *last.nodes}
    to.names[first.value] = to.name(source.name or "input")
    shape = _sample_shape(first.value)
    if len(shape) > 3:
        after = first.nodes[-1] if first.nodes else None
        raise CompileError(
            Problem(
                str(after.name) if after is not None else to.names[first.value],
                after.op_type if after is not None else "",
                f"a tensor of {len(shape)} axes an image, {list(shape)}",
                "maps [N,C,H,W], [N,C,L] or [N,F]",
            )
        )
    to.types[to.names[first.value]] = RealType(map_shape(shape))
    problems: list[Problem] = []
    for node in graph:
        if opset.is_op(node, "Weight") or node in edges:
            continue
        if changes_no_map(node) and node.inputs[0] in to.names:
            to.names[node.outputs[0]] = to.names[node.inputs[0]]
            continue
        if problems and not all(
            v is None
            or v in to.names
            or opset.constant(v) is not None
            or v.producer() is not None
            and opset.is_op(v.producer(), "Weight")
            for v in node.inputs
        ):
            continue  # an input comes from a refused node
        try:
            rule = RULES.get(node.op_type)
            if rule is None:
                raise NodeRefusal("an operator without integer form", ", ".join(sorted(RULES)), "")
            rule(to, node)
        except NodeRefusal as refusal:
            found, supported, hint = refusal.args
            problems.append(
                Problem(
                    node=node.name or node.outputs[0].name or "?",
                    op=node.op_type,
                    found=found,
                    supported=supported,
                    hint=hint,
                )
            )
        except (ValueError, IndexError, ArithmeticError, TypeError) as error:
            problems.append(
                Problem(
                    node=node.name or node.outputs[0].name or "?",
                    op=node.op_type,
                    found=str(error),
                    supported="see SPEC.md",
                    hint="check the node's parameters and shapes",
                )
            )
    if problems:
        raise CompileError(problems)
    face = Interface(
        source.name or "input",
        _sample_shape(source),
        result.name or "output",
        _sample_shape(result),
        input_channels_last=first.channels_last,
        output_channels_last=last.channels_last,
    )
    return Program(
        to.name(name).replace(".", "_"),
        face,
        to.names[first.value],
        to.names[last.value],
        to.types,
        tuple(to.ops),
        to.consts,
    )


def _single(values: Iterable[ir.Value], what: str) -> ir.Value:
    listed = list(values)
    if len(listed) != 1:
        raise CompileError(f"the model has {len(listed)} {what}; one is supported")
    return listed[0]
