"""Ways to damage an ONNX file, each a function of the bytes of a good model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper


def truncated(model: bytes) -> bytes:
    return model[: len(model) * 2 // 3]


def empty(model: bytes) -> bytes:
    return b""


def not_onnx(model: bytes) -> bytes:
    return b"this is a text file\n" * 20


def unknown_operator(model: bytes) -> bytes:
    proto = onnx.load_from_string(model)
    [relu] = [node for node in proto.graph.node if node.op_type == "Relu"]
    relu.op_type = "Tan"
    return proto.SerializeToString()


def nan_weight(model: bytes) -> bytes:
    return _with_initializer(model, "layer1.0.conv1.weight", np.nan)


def nan_stem(model: bytes) -> bytes:
    proto = onnx.load_from_string(model)
    stem = next(node for node in proto.graph.node if node.op_type == "Conv")
    return _with_initializer(model, stem.input[1], np.nan)


def nan_threshold(model: bytes) -> bytes:
    proto = onnx.load_from_string(model)
    first = next(node for node in proto.graph.node if node.op_type == "Greater")
    return _with_initializer(model, first.input[1], np.nan)


def _with_initializer(model: bytes, name: str, value: float) -> bytes:
    proto = onnx.load_from_string(model)
    [tensor] = [t for t in proto.graph.initializer if t.name == name]
    array = numpy_helper.to_array(tensor).copy()
    array.reshape(-1)[0] = value
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    return proto.SerializeToString()


Breakage = Callable[[bytes], bytes]

BROKEN: dict[str, tuple[Breakage, str]] = {
    "truncated": (truncated, "cut off"),
    "empty": (empty, "empty"),
    "not-onnx": (not_onnx, "not an ONNX model"),
    "unknown-operator": (unknown_operator, "/relu/Relu"),
    "nan-weight": (nan_weight, "conv1"),
    "nan-stem": (nan_stem, "conv1"),
    "nan-threshold": (nan_threshold, "quan1"),
}
"""Kinds of damage by name: the function, and a text that the one error must contain."""
