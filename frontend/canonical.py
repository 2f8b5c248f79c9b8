"""Checks that a graph is canonical: only canonical operators, with constant parameters."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir

from .diagnostics import CompileError, Problem
from .edges import changes_no_map, entries, exits
from .opset import constant, is_op
from .recognize.function_operators import CURVED
from .recognize.pattern import Context
from .schemas import CANONICAL_OPS, DOMAIN

_EDGES = ("Reshape", "Transpose")
_NAMES = sorted(CANONICAL_OPS[""].difference(_EDGES) | CURVED.keys())
SUPPORTED = ", ".join(_NAMES) + "; N2UQ quantizers"

_MEND = {
    "Cast": "export the float32 network: model.float()",
    "Softmax": "export the network without its last softmax: the largest score stays the largest",
    "LogSoftmax": "export the network without its last softmax",
    "Round": "this rounding belongs to no known quantizer",
    "Floor": "this rounding belongs to no known quantizer",
    "Ceil": "this rounding belongs to no known quantizer",
    "Greater": "this comparison belongs to no known quantizer",
    "Where": "this selection belongs to no known quantizer",
    "If": "export with control flow traced away: its condition is no constant",
    "Loop": "export with control flow traced away",
    "Scan": "export with control flow traced away",
    "QuantizeLinear": "every QuantizeLinear needs a DequantizeLinear that reads it",
}


def verify(context: Context) -> None:
    """Check that only canonical operators are left.

    Raises:
        CompileError: lists every node that is not canonical and every pattern that was refused.
    """
    problems = context.problems()
    ends = {n for end in (*entries(context.graph), *exits(context.graph)) for n in end.nodes}
    covered = {node for refusal in context.refusals.values() for node in refusal.covers}
    covered.update(context.refusals)
    for node in context.graph:
        if node in covered:
            continue
        if node.op_type not in CANONICAL_OPS.get(node.domain, ()):
            problems.append(_unsupported(node))
        elif node.op_type in _EDGES and node not in ends and not changes_no_map(node):
            problems.append(_moved(node))
        elif found := _broken(node):
            problems.append(Problem(str(node.name), node.op_type, found))
    if not problems:
        problems += [
            Problem(str(node.name), node.op_type, "the shape of its output is not known")
            for node in context.graph
            if not all(o.shape is not None and o.shape.is_static() for o in node.outputs)
        ][:1]  # the others follow from it
    if not problems:  # no refusal may be lost
        problems += [
            Problem(str(node.name), node.op_type, r.found, r.supported, r.hint)
            for node, r in context.refusals.items()
        ]
    graph = context.graph
    names = Counter(str(output.name) for node in graph for output in node.outputs)
    duplicates = [
        Problem("", "", f"{count} values would be named '{name}'", hint="rename one of them")
        for name, count in names.items()
        if count > 1
    ]
    problems = problems or duplicates  # of a network refused anyway they say nothing
    if not problems:
        problems += [
            Problem(str(value.name), "input", "no output uses it")
            for value in graph.inputs
            if not value.uses()
        ]
    if problems:
        raise CompileError(problems)


def _unsupported(node: ir.Node) -> Problem:
    if node.domain != "":
        found = f"operator of the domain '{node.domain}'"
        hint = "export without custom operators"
        if node.domain == "com.microsoft":
            hint = "give the file as exported, not as ONNX Runtime optimized it"
        return Problem(str(node.name), node.op_type, found, SUPPORTED, hint)
    return Problem(
        str(node.name), node.op_type, "unsupported operator", SUPPORTED, _MEND.get(node.op_type, "")
    )


def _moved(node: ir.Node) -> Problem:
    shapes = [str(v.shape) if v is not None else "?" for v in (node.inputs[0], node.outputs[0])]
    found = f"lays a tensor out anew inside the network: {shapes[0]} to {shapes[1]}"
    supported = "at the network's input or output, to flatten, or around channels-last operators"
    return Problem(str(node.name), node.op_type, found, supported, "keep images [N,C,H,W]")


def _broken(node: ir.Node) -> str:
    """Return why a canonical operator is not in canonical form, "" if it is."""
    data = node.inputs[0] if node.inputs else None
    if is_op(node, "Weight"):
        readers = node.outputs[0].uses()
        if any(use.node.op_type not in ("Conv", "Gemm") or use.idx != 1 for use in readers):
            return "quantized weights that feed something other than a convolution or Gemm"
        return ""
    if data is None or constant(data) is not None:
        return "its data input is a constant"
    for value in (*node.inputs, *node.outputs) if node.domain != DOMAIN else ():
        if value is None or (node.op_type in ("Add", "Reshape") and constant(value) is not None):
            continue  # offsets are exact: float64 where float32 would round them; shapes are int64
        if value.dtype not in (None, ir.DataType.FLOAT):
            return f"'{value.name}' has element type {value.dtype}, float32 is supported"
    pair = node.op_type in ("Add", "Concat", "Mul") and node.domain != DOMAIN
    for index, value in enumerate(node.inputs[1:], start=1):
        if value is None or constant(value) is not None or pair:
            continue
        if index == 1 and is_op(value.producer(), "Weight"):
            continue
        return f"its input '{value.name}' is computed, a constant is supported"
    return ""
