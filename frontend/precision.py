"""Networks in other floating-point formats, converted to float32 if that is exact.

A program computes real arithmetic on the parameters in the file, so only the parameters matter.
Every float16 and bfloat16 number is a float32 number; a float64 number may be. Arithmetic on
constants (sums of thresholds, quantized weights) is then done in float32. A half-precision runtime
also rounds activations; like float32's rounding of activations, that is not imitated. Constants
that the exporter folded hold rounding errors of half precision; weight grids are recovered within
that error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .branches import nested_graphs
from .diagnostics import CompileError, Problem
from .wellformed import nested

SINGLE = 2.0**-24
"""Unit roundoff of float32."""

ROUNDOFF = "n2uq.roundoff"
"""Key of a model's metadata: the roundoff that `as_float32` returned."""

# Unit roundoff of half precision.
_HALF: dict[int, float] = {TensorProto.FLOAT16: 2.0**-11, TensorProto.BFLOAT16: 2.0**-8}
_NAMED = ("to", "dtype")  # attributes that hold an element type
_NAMES = 3  # parameters named in a message


def as_float32(proto: onnx.ModelProto) -> float:
    """Convert a model of another floating-point format to float32, in place.

    Half precision is converted wherever it occurs; float64 only if the network's input is float64,
    because elsewhere it is part of a quantizer's arithmetic.

    Returns:
        Unit roundoff of the arithmetic that computed the parameters: float32 or half precision.

    Raises:
        CompileError: parameters that float32 cannot hold, or casts that round one.
    """
    parameters = {tensor.name for tensor in proto.graph.initializer}
    inputs = [v for v in proto.graph.input if v.name not in parameters]
    types = set(_HALF)
    if any(v.type.tensor_type.elem_type == TensorProto.DOUBLE for v in inputs):
        types.add(TensorProto.DOUBLE)
    problems = list(_rounding_casts(proto))
    roundoff: float = max([SINGLE, *(_HALF.get(t.data_type, 0.0) for t, _, _ in _tensors(proto))])
    lost = [
        (name, op)
        for tensor, name, op in _tensors(proto)
        if tensor.data_type in types and not _rewrite(tensor)
    ]
    if lost:
        some = ", ".join(f"'{name}'" for name, _ in lost[:_NAMES])
        more = f" and {len(lost) - _NAMES} more" if len(lost) > _NAMES else ""
        found = f"float64 numbers that float32 cannot hold in {some}{more}"
        hint = "call model.float() before the export: it rounds them to float32"
        supported = "parameters that are float32 numbers"
        problems.append(Problem(*lost[0], found, supported, hint))
    if problems:
        raise CompileError(problems)
    for value in _values(proto):
        if value.type.tensor_type.elem_type in types:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in _nodes(proto):
        for attribute in node.attribute:
            if attribute.name in _NAMED and attribute.i in types:
                attribute.i = TensorProto.FLOAT
    return roundoff


def _rewrite(tensor: onnx.TensorProto) -> bool:
    """Convert a tensor to float32; return whether that was exact."""
    if not _holds(np.dtype(np.float32), tensor):
        return False
    if (array := _array(tensor)) is not None:
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))
    return True


def _holds(dtype: np.dtype[Any], tensor: onnx.TensorProto) -> bool:
    """Return whether a type holds a tensor's numbers exactly."""
    array = _array(tensor)
    if array is None:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype).astype(np.float64)
    return np.array_equal(converted, array.astype(np.float64), equal_nan=True)


def _array(tensor: onnx.TensorProto) -> np.ndarray[Any, Any] | None:
    """Return the array, or None if its data is damaged, which a later check reports."""
    try:
        return numpy_helper.to_array(tensor)
    except Exception:
        return None


def _rounding_casts(proto: onnx.ModelProto) -> Iterator[Problem]:
    """Yield a problem for each cast of a float32 parameter to half precision that changes it."""
    parameters = {t.name: t for t in proto.graph.initializer if t.data_type == TensorProto.FLOAT}
    for node in proto.graph.node:
        if node.op_type != "Cast" or node.domain or node.input[0] not in parameters:
            continue
        to = next((a.i for a in node.attribute if a.name == "to"), 0)
        if to not in _HALF:
            continue
        if not _holds(onnx.helper.tensor_dtype_to_np_dtype(to), parameters[node.input[0]]):
            found = f"rounds the parameter '{node.input[0]}' to half precision"
            yield Problem(
                node.name or node.output[0],
                node.op_type,
                found,
                "casts that change nothing",
                "call model.half() or model.float() before the export, not autocast",
            )


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from nested(proto.graph.node)
    for function in proto.functions:
        yield from nested(function.node)


def _tensors(proto: onnx.ModelProto) -> Iterator[tuple[onnx.TensorProto, str, str]]:
    """Yield every parameter and constant, with a name and operator for messages."""
    for graph in (proto.graph, *nested_graphs(proto.graph.node)):
        for tensor in graph.initializer:
            yield tensor, tensor.name, "initializer"
    for node in _nodes(proto):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t, node.name or node.output[0], node.op_type


def _values(proto: onnx.ModelProto) -> Iterable[onnx.ValueInfoProto]:
    functions = (value for function in proto.functions for value in function.value_info)
    inner = (v for g in nested_graphs(proto.graph.node) for v in (*g.output, *g.value_info))
    return (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *functions, *inner)
