"""Limits of sizes: no tensor is empty or too large, no node has too many inputs."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from .constants import GraphConstants, static
from .diagnostics import CompileError, Problem

MOST_ELEMENTS = 2**30
"""Most elements of a tensor, per sample: a gigabyte even of the narrowest codes."""

MOST_CHANNELS = 2**20
"""Most channels of a tensor: the compiler keeps exact slopes, ranges and thresholds for each."""

MOST_INPUTS = 2**10
"""Most inputs of a node: each input of a Concat or Sum makes an operation of its own."""


def check_sizes(model: ir.Model, constants: GraphConstants) -> None:
    """Check the size of every computed tensor whose shape is known, and how many each node reads.

    Raises:
        CompileError: an empty tensor, one that no processor could hold, or more inputs than a small
            file should make the compiler work on.
    """
    problems = [
        Problem(
            str(node.name), node.op_type, f"{len(node.inputs):,} inputs", f"at most {MOST_INPUTS:,}"
        )
        for node in model.graph
        if len(node.inputs) > MOST_INPUTS
    ]
    computed = [(v, "input", v.name) for v in model.graph.inputs]
    computed += [
        (v, node.op_type, node.name)
        for node in model.graph
        for v in node.outputs
        if not (node.domain == "" and constants.known(v))
    ]
    for value, op, name in computed:
        if value.shape is None or not value.shape.is_static():
            continue
        shape = static(value.shape)
        sample = prod(shape[1:])
        empty = min(shape, default=1) < 1  # a crop of more than there is infers a negative size
        if empty:
            found, supported = "an empty tensor", "sizes of 1 or more"
        elif sample > MOST_ELEMENTS:
            found, supported = f"a tensor of {sample:,} numbers", f"at most {MOST_ELEMENTS:,}"
        elif len(shape) == 2 and sample > MOST_CHANNELS:
            found, supported = f"a row of {sample:,} features", f"at most {MOST_CHANNELS:,}"
        elif len(shape) > 2 and shape[1] > MOST_CHANNELS and shape[-1] > MOST_CHANNELS:
            found, supported = f"{shape[1]:,} channels", f"at most {MOST_CHANNELS:,}"
        else:
            continue
        found += f": '{value.name}' has the shape {list(shape)}"
        hint = "" if empty else "use smaller images"
        problems.append(Problem(str(name), op, found, supported, hint))
    if problems:
        raise CompileError(problems[:1])  # the others follow from it
