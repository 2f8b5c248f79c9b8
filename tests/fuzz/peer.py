"""Outputs of ONNX Runtime; QONNX's quantizer is rewritten in standard operators for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from qonnx.custom_op.general.intquant import max_int, min_int

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}

_LEAST = 1e-15
_CONVERTS = 2.0**31
"""Quotients from which on ONNX Runtime's QuantizeLinear does not saturate: it converts to int32
first, where what is too large becomes the least integer (ONNX's definition saturates)."""


def outputs_of(content: bytes, images: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Outputs (N, …) by name, float64 or indices; None where ONNX Runtime refuses the file, or is
    known to err.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        model = onnx.ModelProto()
        model.ParseFromString(content)
        extreme = any(map(_is_extreme, map(numpy_helper.to_array, model.graph.initializer)))
        if extreme or any(map(_is_extreme, _stated(model))) or _keeps_a_size(model):
            return None
        model = standard(model)
        watched = watch_quotients(model) + watch_compared(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        given, batch, count = {}, 0, 0
        for face in session.get_inputs():
            x = images[face.name].astype(_TYPES[face.type])
            batch, count = _batch(face.shape), len(x)
            pieces = x[:, None].repeat(batch, axis=1) if batch else x[None]
            given[face.name] = pieces
        runs = range(count if batch else 1)
        rows = [session.run(None, {name: x[k] for name, x in given.items()}) for k in runs]
        quotients = [value for row in rows for value in row[len(row) - watched :]]
        if not all(value < _CONVERTS for value in quotients):
            return None
        found = {}
        for k, face in enumerate(session.get_outputs()[: len(rows[0]) - watched]):
            value = np.concatenate([np.asarray(row[k])[: 1 if batch else None] for row in rows])
            found[face.name] = value.astype(np.float64) if value.dtype.kind == "f" else value
        return found
    except Exception:  # anything: the file may be no network at all
        return None


def _batch(shape: list[Any]) -> int:
    """Return how many samples a session takes at once, 0 for any number."""
    return shape[0] if shape and isinstance(shape[0], int) else 0


def _stated(model: onnx.ModelProto) -> Iterator[np.ndarray]:
    """Yield the real numbers that nodes state as attributes."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type in (onnx.AttributeProto.FLOAT, onnx.AttributeProto.FLOATS):
                yield np.array([attribute.f, *attribute.floats], np.float32)


def _is_extreme(values: np.ndarray) -> bool:
    """Whether float32 keeps no precision beside a number, or beside its inverse.

    Products of subnormal numbers are 0 or not; ``level + ramp - ramp`` is 0 for a ramp of slope
    1e30, and the level in exact arithmetic; Celu of alpha 1e20 takes 1 from exp(x / 1e20).
    """
    if values.dtype.kind != "f":
        return False
    with np.errstate(invalid="ignore"):  # a signaling NaN
        sizes = np.abs(values[values != 0].astype(np.float64))
    return bool(((sizes < _LEAST) | (sizes > 1 / _LEAST)).any())


def _keeps_a_size(model: onnx.ModelProto) -> bool:
    """Whether a Resize by scales may leave a size as it is.

    ONNX Runtime then copies its input, where ONNX's definition still maps places by the scale.
    """
    resizes = [n for n in model.graph.node if n.op_type == "Resize" and any(n.input[2:3])]
    if not resizes:
        return False
    inferred = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim][2:]
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    known = [(sizes.get(n.input[0]), sizes.get(n.output[0])) for n in resizes]
    return any(
        not before or not after or 0 in (*before, *after) or before == after
        for before, after in known
    )


def watch_quotients(model: onnx.ModelProto) -> int:
    """Give the largest |x / scale| of every QuantizeLinear as further outputs; how many."""
    nodes: list[onnx.NodeProto] = []
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    for k, node in enumerate(quantizers):
        x, scale = node.input[:2]
        name = f"n2uq_quotient_{k}"
        nodes += [
            helper.make_node("Abs", [x], [f"{name}_x"]),
            helper.make_node("ReduceMax", [f"{name}_x"], [f"{name}_most"], keepdims=0),
            helper.make_node("Abs", [scale], [f"{name}_s"]),
            helper.make_node("ReduceMin", [f"{name}_s"], [f"{name}_least"], keepdims=0),
            helper.make_node("Div", [f"{name}_most", f"{name}_least"], [name]),
        ]
        model.graph.output.add().name = name
    model.graph.node.extend(nodes)
    return len(quantizers)


def watch_compared(model: onnx.ModelProto) -> int:
    """Give a number without bound as a further output for each ArgMax, ArgMin and TopK that reads a
    NaN, which has no place in an order, and 0 for the others; how many.
    """
    nodes: list[onnx.NodeProto] = []
    heads = [node for node in model.graph.node if node.op_type in ("ArgMax", "ArgMin", "TopK")]
    for k, node in enumerate(heads):
        name = f"n2uq_compared_{k}"
        nodes += [
            helper.make_node("Cast", [node.input[0]], [f"{name}_x"], to=onnx.TensorProto.FLOAT),
            helper.make_node("IsNaN", [f"{name}_x"], [f"{name}_no"]),
            helper.make_node("Cast", [f"{name}_no"], [f"{name}_0"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMax", [f"{name}_0"], [f"{name}_1"], keepdims=0),
            helper.make_node("Constant", [], [f"{name}_far"], value_float=2 * _CONVERTS),
            helper.make_node("Mul", [f"{name}_1", f"{name}_far"], [name]),
        ]
        model.graph.output.add().name = name
    model.graph.node.extend(nodes)
    return len(heads)


def standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with each ``Quant`` that rounds to nearest in ONNX's own operators."""
    constants = {t.name: t for t in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        mode = _attribute(node, "rounding_mode", b"ROUND")
        if node.op_type != "Quant" or mode not in (b"ROUND", "ROUND") or len(node.input) != 4:
            nodes.append(node)
            continue
        bits = float(numpy_helper.to_array(constants[node.input[3]]).reshape(()))
        signed, narrow = (bool(_attribute(node, name, 1)) for name in ("signed", "narrow"))
        if signed and bits == 1:
            raise ValueError("a sign, not a rounding")
        low, high = min_int(signed, narrow, bits), max_int(signed, narrow, bits)
        out = node.output[0]
        for name, value in ((f"{out}_low", low), (f"{out}_high", high)):
            model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
        x, scale, zero = node.input[:3]
        steps: tuple[tuple[str, list[str]], ...] = (
            ("Div", [x, scale]),
            ("Add", [f"{out}_0", zero]),
            ("Round", [f"{out}_1"]),
            ("Clip", [f"{out}_2", f"{out}_low", f"{out}_high"]),
            ("Sub", [f"{out}_3", zero]),
            ("Mul", [f"{out}_4", scale]),
        )
        for k, (op, inputs) in enumerate(steps):
            name = out if k == len(steps) - 1 else f"{out}_{k}"
            nodes.append(helper.make_node(op, inputs, [name]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
