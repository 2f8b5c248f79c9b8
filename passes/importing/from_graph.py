"""Exact import of the canonical ONNX graph, node by node, as a Program of the real dialect."""

from __future__ import annotations

import onnx_ir as ir

from n2uqc.frontend import opset
from n2uqc.frontend.diagnostics import CompileError, Problem, reason
from n2uqc.frontend.edges import NetworkEnd, changes_no_map, entries, exits, map_shape
from n2uqc.frontend.escape import plain
from n2uqc.frontend.host_part import HOST
from n2uqc.frontend.opset import output_names
from n2uqc.frontend.pixel_inputs import PIXELS

from ..program import Interface, Port, Program
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


def _begin(to: Importer, source: ir.Value, end: NetworkEnd) -> None:
    """Give the first map of an input its name and type.

    Raises:
        CompileError: it is no map.
    """
    to.names[end.value] = to.name(source.name or "input")
    shape = _sample_shape(end.value)
    if len(shape) > 3:
        after = end.nodes[-1] if end.nodes else None
        raise CompileError(
            Problem(
                str(after.name) if after is not None else to.names[end.value],
                after.op_type if after is not None else "",
                f"a tensor of {len(shape)} axes an image, {list(shape)}",
                "maps [N,C,H,W], [N,C,L] or [N,F]",
            )
        )
    to.types[to.names[end.value]] = RealType(map_shape(shape))


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
    first, last = entries(graph), exits(graph)
    edges = {node for end in (*first, *last) for node in end.nodes}
    for source, end in zip(graph.inputs, first, strict=True):
        _begin(to, source, end)
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
                    found=reason(error),
                    supported="parameters that fit the node's tensors",
                    hint="check the node's attributes, weights and shapes",
                )
            )
    if problems:
        raise CompileError(problems)
    outputs = zip(output_names(model), graph.outputs, last, strict=True)
    face = Interface(
        tuple(
            Port(
                str(value.name),
                _sample_shape(value),
                end.channels_last,
                str(value.name) in model.meta.get(PIXELS, ()),
            )
            for value, end in zip(graph.inputs, first, strict=True)
        ),
        tuple(Port(name, _sample_shape(value), end.channels_last) for name, value, end in outputs),
    )
    for port, end in zip(face.outputs, last, strict=True):
        if end.value not in to.names:
            raise CompileError(
                Problem(
                    plain(port.name),
                    "output",
                    "its axes are laid out anew before other layers read it",
                    "maps [N,C,H,W], [N,C,L] or [N,F]",
                )
            )
    return Program(
        to.name(name).replace(".", "_"),
        face,
        tuple(to.names[end.value] for end in first),
        tuple(to.names[end.value] for end in last),
        to.types,
        tuple(to.ops),
        to.consts,
        host=model.meta.get(HOST),
    )
