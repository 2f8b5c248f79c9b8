"""Elementwise graphs evaluated in rational arithmetic,
with the exact values of float32 constants.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

import numpy as np
import onnx
import onnx_ir as ir

from n2uqc.frontend.opset import constant, is_op, read_threshold


def _selected(op: str, x: list[Fraction]) -> Fraction:
    return {
        "Add": lambda: x[0] + x[1], "Sub": lambda: x[0] - x[1], "Mul": lambda: x[0] * x[1],
        "Div": lambda: x[0] / x[1], "Min": lambda: min(x), "Max": lambda: max(x),
        "Relu": lambda: max(x[0], Fraction(0)), "Abs": lambda: abs(x[0]),
        "Round": lambda: Fraction(round(x[0])), "Floor": lambda: Fraction(floor(x[0])),
        "Ceil": lambda: Fraction(ceil(x[0])), "Clip": lambda: min(max(x[0], x[1]), x[2]),
        "Less": lambda: Fraction(x[0] < x[1]), "Where": lambda: x[1] if x[0] else x[2],
        "Neg": lambda: -x[0], "Sign": lambda: Fraction((x[0] > 0) - (x[0] < 0)),
    }[op]()  # fmt: skip


def of_file(model: onnx.ModelProto, x: Fraction) -> Fraction:
    """Return the output for one element of the input; parameters are scalars."""
    known = {
        t.name: Fraction(float(onnx.numpy_helper.to_array(t).reshape(())))
        for t in model.graph.initializer
    }
    known[model.graph.input[0].name] = x
    for node in model.graph.node:
        known[node.output[0]] = _selected(node.op_type, [known[name] for name in node.input])
    return known[model.graph.output[0].name]


@lru_cache(maxsize=8)
def _quantizer(node: ir.Node) -> tuple[Fraction, list[Fraction], tuple[bool, ...], Fraction]:
    """Input scale, thresholds, rules and step of a Threshold for the whole tensor."""
    p = read_threshold(node)
    thresholds = [Fraction(float(t)) for t in p.thresholds[0]]
    return Fraction(float(p.input_scale)), thresholds, p.rules[0], Fraction(p.step) / p.divisor


def of_graph(model: ir.Model, x: Fraction) -> Fraction:
    """Return the same for a canonical graph."""
    known: dict[ir.Value, Fraction] = {model.graph.inputs[0]: x}

    def number(value: ir.Value | None) -> Fraction:
        assert value is not None
        array = constant(value)
        return known[value] if array is None else Fraction(float(array.reshape(())))

    for node in model.graph:
        if is_op(node, "Threshold"):
            scale, thresholds, rules, step = _quantizer(node)
            at = number(node.inputs[0]) * scale
            below, upto = bisect_left(thresholds, at), bisect_right(thresholds, at)
            known[node.outputs[0]] = step * (below + sum(not s for s in rules[below:upto]))
        else:
            known[node.outputs[0]] = _selected(node.op_type, [number(v) for v in node.inputs])
    return known[model.graph.outputs[0]]


def around(points: list[Fraction]) -> list[np.float32]:
    """Return the float32 numbers nearest to some points, and two on either side of each."""
    found: set[float] = set()
    for point in points:
        near = [np.float32(float(point))]
        for way in (np.float32(-np.inf), np.float32(np.inf)):
            near += [np.nextafter(near[0], way), np.nextafter(np.nextafter(near[0], way), way)]
        found.update(float(v) for v in near)
    return [np.float32(v) for v in sorted(found)]
