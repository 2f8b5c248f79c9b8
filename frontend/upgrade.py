"""Conversion of files of opset 9 to 12 to opset 13, operator by operator, without changing results.

Between these opsets most operators only gained element types. A few moved attributes into inputs:
those are rewritten here. Softmax and its kin took several axes together, which shows only once all
shapes are known. An operator that changed in another way is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from .constants import static
from .diagnostics import CompileError, Problem
from .wellformed import nested

OLDEST, TARGET = 9, 13

_AGAIN = "export again with opset_version=17"

JOINED = "n2uqc.joined_axes"
"""Note on an operator that takes this axis and all after it together."""

_ONLY_NEW_TYPES = frozenset(
    "Conv Concat Add Sub Mul Div Relu MaxPool AveragePool Flatten Gemm MatMul Reshape Transpose "
    "Identity Cast Shape Gather Constant Expand Greater Less Equal Floor Ceil Abs Neg Reciprocal "
    "Pow Sqrt Exp Log Sigmoid Tanh Erf ReduceMean ReduceMax ReduceMin Sum Max Min Mean Sign ArgMin "
    "ArgMax Tile If QuantizeLinear DequantizeLinear GatherND Mod ConvTranspose DepthToSpace "
    "SpaceToDepth GatherElements ScatterElements ScatterND IsNaN NonZero OneHot Size LRN LpPool "
    "MeanVarianceNormalization ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd "
    "ReduceSumSquare NonMaxSuppression".split()
)
"""Operators that changed only in element types, explicit defaults, negative axes and optional
inputs: a node means the same in both opsets.
"""


class _Rewriter:
    """Conversion of attributes into inputs, for the nodes of one graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.taken = {t.name for t in graph.initializer}
        self.taken |= {name for node in nested(graph.node) for name in (*node.input, *node.output)}

    def take(self, node: onnx.NodeProto, name: str, default: Any = None) -> Any:
        """Remove an attribute from a node and return its value."""
        for index, attribute in enumerate(node.attribute):
            if attribute.name == name:
                value = onnx.helper.get_attribute_value(attribute)
                del node.attribute[index]
                return value
        return default

    def constant(self, node: onnx.NodeProto, label: str, value: Any, dtype: Any) -> str:
        """Add a parameter named after the node's output and return its name."""
        name = base = f"{node.output[0]}.{label}"
        tries = 1
        while name in self.taken:
            name, tries = f"{base}_{tries}", tries + 1
        self.taken.add(name)
        tensor = onnx.numpy_helper.from_array(np.array(value, dtype), name)
        self.graph.initializer.append(tensor)
        return name

    def axes(self, node: onnx.NodeProto, label: str = "axes") -> None:
        """Turn an attribute of integers into the second input."""
        if (values := self.take(node, label)) is not None:
            node.input.append(self.constant(node, label, values, np.int64))

    def clip(self, node: onnx.NodeProto) -> None:
        bounds = [self.take(node, label) for label in ("min", "max")]
        names = [
            "" if bound is None else self.constant(node, label, bound, np.float32)
            for label, bound in zip(("min", "max"), bounds, strict=True)
        ]
        while names and not names[-1]:
            names.pop()
        node.input.extend(names)

    def pad(self, node: onnx.NodeProto) -> None:
        node.input.append(self.constant(node, "pads", self.take(node, "pads", ()), np.int64))
        node.input.append(self.constant(node, "value", self.take(node, "value", 0.0), np.float32))

    def slice(self, node: onnx.NodeProto) -> None:
        starts, ends = self.take(node, "starts", ()), self.take(node, "ends", ())
        axes = self.take(node, "axes", range(len(starts)))
        for label, values in (("starts", starts), ("ends", ends), ("axes", list(axes))):
            node.input.append(self.constant(node, label, values, np.int64))

    def top(self, node: onnx.NodeProto) -> None:
        node.input.append(self.constant(node, "k", [self.take(node, "k", 1)], np.int64))

    def resize(self, node: onnx.NodeProto) -> None:
        """Write a Resize of opset 10, or an Upsample, with the positions that it meant."""
        old = self.take(node, "mode", b"nearest").decode()
        node.op_type = "Resize"
        node.input.insert(1, "")
        for name, value in (
            ("mode", {"bilinear": "linear"}.get(old, old)),
            ("coordinate_transformation_mode", "asymmetric"),
            ("nearest_mode", "floor"),
        ):
            node.attribute.append(onnx.helper.make_attribute(name, value))

    def joined_axes(self, node: onnx.NodeProto) -> None:
        axis = self.take(node, "axis", 1)
        node.attribute.append(onnx.helper.make_attribute("axis", axis))
        node.metadata_props.add(key=JOINED, value=str(axis))

    def dropout(self, node: onnx.NodeProto) -> None:
        self.take(node, "ratio")  # inference: nothing is dropped


_Rewrite = Callable[[_Rewriter, onnx.NodeProto], None]

_REWRITES: dict[str, tuple[int, _Rewrite]] = {
    "Clip": (11, _Rewriter.clip),
    "Pad": (11, _Rewriter.pad),
    "Slice": (10, _Rewriter.slice),
    "Dropout": (12, _Rewriter.dropout),
    "Squeeze": (13, _Rewriter.axes),
    "Unsqueeze": (13, _Rewriter.axes),
    "ReduceSum": (13, _Rewriter.axes),
    "Split": (13, lambda rewriter, node: rewriter.axes(node, "split")),
    "TopK": (10, _Rewriter.top),
    "Resize": (11, _Rewriter.resize),
    "Upsample": (10, _Rewriter.resize),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), (13, _Rewriter.joined_axes)),
}
"""The opset that turned an operator's attributes into inputs, and the conversion, by operator."""


def upgrade(proto: onnx.ModelProto) -> None:
    """Convert a checked model of opset 9 to 12 in place; newer models are not changed.

    Raises:
        CompileError: lists all operators whose meaning has changed since.
    """
    entry = next(e for e in proto.opset_import if not e.domain)
    version = entry.version
    if version >= TARGET:
        return
    if proto.functions:
        found = f"functions in a file of opset {version}"
        raise CompileError(Problem("", "", found, hint=_AGAIN))
    nodes = list(nested(proto.graph.node))
    problems = _changed(nodes, version, _constants(proto.graph))
    if problems:
        raise CompileError(problems)
    rewriter = _Rewriter(proto.graph)
    for node in nodes:
        moved, rewrite = _REWRITES.get(node.op_type, (0, None))
        if not node.domain and rewrite is not None and version < moved:
            rewrite(rewriter, node)
    entry.version = TARGET


def settle_joined_axes(model: ir.Model) -> None:
    """Let operators that took several axes together take the only one that is longer than 1.

    Args:
        model: with all shapes.

    Raises:
        CompileError: lists the operators for which there are several.
    """
    problems = []
    for node in model.graph:
        first = node.metadata_props.pop(JOINED, None)
        if first is None:
            continue
        shape = None if node.inputs[0] is None else node.inputs[0].shape
        if shape is None or not shape.is_static():
            found = "a tensor of unknown shape, of which it took several axes before opset 13"
            problems.append(Problem(str(node.name), node.op_type, found, "one axis", _AGAIN))
            continue
        sizes = static(shape)
        axes = range(int(first) % max(len(sizes), 1), len(sizes))
        longer = [axis for axis in axes if sizes[axis] > 1]
        if len(longer) > 1:
            found = f"the axes {', '.join(map(str, longer))} together, as before opset 13"
            problems.append(Problem(str(node.name), node.op_type, found, "one axis", _AGAIN))
        axis = next(iter(longer or axes), 0)
        node.attributes["axis"] = ir.AttrInt64("axis", axis)
    if problems:
        raise CompileError(problems)


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the tensors of a graph's parameters, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and not node.domain:
            found |= {out: a.t for out in node.output for a in node.attribute if a.name == "value"}
    return found


def _shrinks(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> list[Problem]:
    """Return a problem if a Resize of opset 10 may make its input smaller: ONNX did not say how."""
    scales = known.get(node.input[1])
    if scales is not None and (onnx.numpy_helper.to_array(scales) >= 1).all():
        return []
    found = "scales of opset 10 that are computed, or below 1"
    name = node.name or node.output[0]
    return [Problem(name, node.op_type, found, "opset 11 or later", _AGAIN)]


def _changed(
    nodes: Sequence[onnx.NodeProto], version: int, known: Mapping[str, onnx.TensorProto]
) -> list[Problem]:
    """Return a problem for each node that is neither the same in opset 13 nor converted."""
    problems = []
    for node in nodes:
        if node.op_type == "Resize" and not node.domain and version < _REWRITES["Resize"][0]:
            problems += _shrinks(node, known)
        if node.domain or node.op_type in _ONLY_NEW_TYPES or node.op_type in _REWRITES:
            continue
        try:
            now = onnx.defs.get_schema(node.op_type, TARGET, "").since_version
        except onnx.defs.SchemaError:
            now = None
        if now is None or now > version:
            found = f"the operator as of opset {version}, which changed since"
            name = node.name or node.output[0]
            problems.append(Problem(name, node.op_type, found, f"opset {TARGET}", _AGAIN))
    return problems
