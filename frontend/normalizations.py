"""Normalizations by the statistics of each image, taken apart into standard operators.

With ``e = x - mean(x)``: ``y = scale * e / sqrt(mean(e*e) + epsilon) + bias``, where means are over
the last axes (LayerNormalization), over the positions of each channel (InstanceNormalization), or
of each group of channels (GroupNormalization); RMSNormalization has no mean. Definitions: ONNX
operators, opsets 17 to 23.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt

import numpy as np
import onnx_ir as ir

from .constants import static
from .integer_operators.real_values import RealValues, input_at
from .shapes import infer_shapes

Mean = Callable[[ir.Value, str], ir.Value]


def take_apart_normalizations(model: ir.Model) -> None:
    """Rewrite these operators, in place, where shapes are known; one whose other outputs are read
    stays.
    """
    values = RealValues(model)
    found = [
        node
        for node in model.graph
        if node.domain == ""
        and node.op_type in _RULES
        and not any(out.uses() or out.is_graph_output() for out in node.outputs[1:])
    ]
    for node in found:
        _RULES[node.op_type](node, _Parts(node, values))
    if found:
        values.finish()
        infer_shapes(model)


class _Parts:
    """The nodes that replace one node."""

    def __init__(self, node: ir.Node, values: RealValues) -> None:
        self.node, self.values, self.name = node, values, str(node.name)
        self.version = values.model.graph.opset_imports.get("", 0)

    def add(self, op: str, inputs: list[ir.Value], part: str, **attributes: object) -> ir.Value:
        """Insert a node of the standard domain."""
        name = f"{self.name}.{part}" if part else self.name
        y = self.values.add(self.node, op, inputs, name, f"{name}.out", attributes)
        y.dtype = ir.DataType.FLOAT
        return y

    def number(self, number: object, part: str) -> ir.Value:
        return self.values.parameter(f"{self.name}.{part}", np.array(number))

    def mean(self, x: ir.Value, part: str, axes: list[int]) -> ir.Value:
        """Insert a mean over axes, which stay with size 1."""
        if self.version < 18:
            return self.add("ReduceMean", [x], part, axes=axes, keepdims=1)
        return self.add("ReduceMean", [x, self.number(axes, f"{part}.axes")], part)

    def normalized(
        self, x: ir.Value, mean: Mean, epsilon: float, count: int | None, *, centered: bool
    ) -> ir.Value:
        """Insert the quotient of the differences and their deviation.

        Of ``count`` numbers none is farther from their mean than the root of as many deviations: a
        Clip says so, for interval arithmetic does not see it, and the format becomes as narrow.
        """
        e = self.add("Sub", [x, mean(x, "mean")], "centered") if centered else x
        square = self.add("Mul", [e, e], "square")
        small = self.number(np.float32(epsilon), "epsilon")
        variance = self.add("Add", [mean(square, "variance"), small], "stable")
        inverse = self.add("Reciprocal", [self.add("Sqrt", [variance], "root")], "inverse")
        y = self.add("Mul", [e, inverse], "quotient")
        if count is None:
            return y
        most = np.float32(sqrt(count) * (1 + 2.0**-20))
        return self.add("Clip", [y, self.number(-most, "least"), self.number(most, "most")], "ends")

    def finish(self, y: ir.Value, scale: ir.Value | None, bias: ir.Value | None) -> None:
        """Multiply by what is broadcast from the last axis, and add it."""
        if scale is not None:
            y = self.add("Mul", [y, scale], "scaled" if bias is not None else "")
        if bias is not None:
            y = self.add("Add", [y, bias], "")
        self._replace(y)

    def finish_channels(self, y: ir.Value, scale: ir.Value, bias: ir.Value) -> None:
        """Multiply by numbers (C,) of the channels, and add such."""
        ones = self.add("Sub", [scale, scale], "zero"), self.number(np.float32(1), "one")
        mean, variance = ones[0], self.add("Add", [*ones], "unit")
        parameters = [y, scale, bias, mean, variance]
        self._replace(self.add("BatchNormalization", parameters, "", epsilon=0.0))

    def _replace(self, y: ir.Value) -> None:
        y.shape = self.node.outputs[0].shape  # which the next normalization asks for
        self.values.replace(self.node.outputs[0], y)


def _given(node: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value | None]:
    x, scale = node.inputs[0], node.inputs[1]
    assert x is not None and scale is not None
    return x, scale, input_at(node, 2)


def _last_axes(node: ir.Node, parts: _Parts) -> None:
    """Normalize over the axes from one on (LayerNormalization, RMSNormalization)."""
    x, scale, bias = _given(node)
    axis = node.attributes.get_int("axis", -1)
    if axis >= 0:
        if x.shape is None:
            return  # refused, as its shape is
        axis -= len(x.shape)
    axes = list(range(axis, 0))
    y = parts.normalized(
        x,
        lambda value, part: parts.mean(value, part, axes),
        node.attributes.get_float("epsilon", 1e-5),
        _product(x, axis),
        centered=node.op_type == "LayerNormalization",
    )
    parts.finish(y, scale, bias)


def _positions(node: ir.Node, parts: _Parts) -> None:
    """Normalize each channel over its positions (InstanceNormalization)."""
    x, scale, bias = _given(node)
    assert bias is not None
    parts.finish_channels(_of_positions(x, _product(x, 2), node, parts), scale, bias)


def _product(x: ir.Value, first: int) -> int | None:
    """Return the number of values along the axes from one on, if the sizes are known."""
    return None if x.shape is None or not x.shape.is_static() else prod(static(x.shape)[first:])


def _of_positions(x: ir.Value, count: int | None, node: ir.Node, parts: _Parts) -> ir.Value:
    return parts.normalized(
        x,
        lambda value, part: parts.add("GlobalAveragePool", [value], part),
        node.attributes.get_float("epsilon", 1e-5),
        count,
        centered=True,
    )


def _groups(node: ir.Node, parts: _Parts) -> None:
    """Normalize groups of channels (GroupNormalization, from opset 21 on)."""
    x, scale, bias = _given(node)
    groups = node.attributes.get_int("num_groups", 1)
    if parts.version < 21 or bias is None:  # its scale was one of each group
        return
    if x.shape is None or not x.shape.is_static():
        return
    shape = parts.number([0, *static(x.shape)[1:]], "shape")
    rows = parts.add("Reshape", [x, parts.number([0, groups, -1], "groups")], "rows")
    count = prod(static(x.shape)[1:]) // groups
    y = parts.add("Reshape", [_of_positions(rows, count, node, parts), shape], "map")
    parts.finish_channels(y, scale, bias)


_RULES: dict[str, Callable[[ir.Node, _Parts], None]] = {
    "LayerNormalization": _last_axes,
    "RMSNormalization": _last_axes,
    "SimplifiedLayerNormalization": _last_axes,
    "InstanceNormalization": _positions,
    "GroupNormalization": _groups,
}
