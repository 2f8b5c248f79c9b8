"""Description of an activation quantizer for `n2uqc inspect`."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from .opset import Codebook, constant, is_op, read_codebook, read_threshold
from .recognize.uniform import KIND

KEEPS_CODES = frozenset({"MaxPool", "Flatten", "Rearrange"})
"""Operators that select or move codes without computing new ones."""


@dataclass(frozen=True)
class Quantizer:
    """One activation quantizer.

    Attributes:
        name: node name.
        input, output: value names.
        kind: "threshold" (learned thresholds), "uniform" (thresholds of a rounding) or "codebook"
            (levels at unequal distances).
        bits: of a code.
        thresholds: one row for the tensor or one per channel, ascending, compared with input_scale
            * x.
        input_scale: see `thresholds`.
        rule: ">" or ">=", "mixed" where thresholds differ, as in rounding half to even.
        rules: the rule of each threshold.
        step: distance of two levels; None for a codebook.
        levels: value of every code.
    """

    name: str
    input: str
    output: str
    kind: str
    bits: int
    thresholds: list[list[float]]
    input_scale: float
    rule: str
    rules: list[str]
    step: float | None
    levels: list[float]


def is_quantizer(node: ir.Node | None) -> bool:
    """Return whether a node makes codes: Threshold or Codebook."""
    return is_op(node, "Threshold") or is_op(node, "Codebook")


def code_offset(node: ir.Node | None) -> float | None:
    """Return the number that an `Add` adds to a Threshold's codes; None for any other node."""
    if node is None or node.op_type != "Add" or len(node.inputs) != 2 or node.inputs[0] is None:
        return None
    offset, maker = constant(node.inputs[1]), node.inputs[0].producer()
    while maker is not None and maker.op_type in KEEPS_CODES and maker.inputs[0] is not None:
        maker = maker.inputs[0].producer()
    if not is_op(maker, "Threshold") or offset is None or offset.size != 1:
        return None
    return float(offset.reshape(-1)[0])


def _rule(strict: tuple[bool, ...]) -> str:
    """Return the rule of one threshold, given its strictness in all channels."""
    if any(strict) != all(strict):
        return "mixed"
    return ">" if strict[0] else ">="


def describe(node: ir.Node) -> Quantizer:
    """Read a Threshold, with the offset added to its codes, or a Codebook."""
    output = node.outputs[0]
    readers = output.consumers()
    while len(readers) == 1 and readers[0].op_type in KEEPS_CODES:
        readers = readers[0].outputs[0].consumers()
    step: float | None = None
    params = read_codebook(node) if is_op(node, "Codebook") else read_threshold(node)
    if isinstance(params, Codebook):
        kind, levels = "codebook", [float(v) for v in params.levels]
    else:
        kind = node.metadata_props.get(KIND, "threshold")
        step = params.step / params.divisor
        offset = code_offset(readers[0]) if len(readers) == 1 else None
        codes = range(params.levels + 1)
        levels = [k * params.step / params.divisor + (offset or 0.0) for k in codes]
    rules = [_rule(column) for column in zip(*params.rules, strict=True)]
    source = node.inputs[0]
    return Quantizer(
        name=str(node.name),
        input=str(source.name) if source is not None else "",
        output=str(output.name),
        kind=kind,
        bits=params.bits,
        thresholds=[[float(t) for t in row] for row in params.thresholds],
        input_scale=float(params.input_scale),
        rule=rules[0] if len(set(rules)) == 1 else "mixed",
        rules=rules,
        step=step,
        levels=levels,
    )
