"""Canonical Conv and BatchNormalization: constant parameters, explicit attributes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..opset import constant, is_op
from .pattern import Context, Pattern, Refused
from .queries import shape_of
from .windows import explicit_window


def _convolution(node: ir.Node, context: Context) -> None:
    weight = node.inputs[1]
    if constant(weight) is None and not is_op(
        weight.producer() if weight is not None else None, "Weight"
    ):
        raise Refused("computed weights", "constant or N2UQ-quantized weights")
    if len(node.inputs) > 2 and node.inputs[2] is not None and constant(node.inputs[2]) is None:
        raise Refused("a computed bias", "a constant bias")
    kernel = shape_of(weight)[2:]
    data = shape_of(node.inputs[0])
    if len(kernel) not in (1, 2) or len(kernel) != len(data) - 2:
        found = f"a kernel of {len(kernel)} dimensions on a tensor {data}"
        raise Refused(found, "one- and two-dimensional convolutions")
    window = explicit_window(node, data, kernel)
    if window.attributes(len(data))["kernel_shape"] != kernel:
        raise Refused(f"kernel_shape {window.kernel}", f"that of the weights, {kernel}")
    group = node.attributes.get_int("group", 1)
    outputs, inputs = shape_of(weight)[:2]
    if group < 1 or outputs % group or data[1] != inputs * group:
        raise Refused(
            f"{data[1]} input channels, weights {shape_of(weight)}, {group} groups",
            "weights [O, I/groups, kh, kw] with I the input's channels and O divisible",
        )
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if bias is not None and bias.shape != (outputs,):
        supported = f"one value per output channel, ({outputs},)"
        raise Refused(f"a bias of shape {bias.shape}", supported)
    node.attributes.clear()
    for name, values in window.attributes(len(data)).items():
        node.attributes.add(ir.AttrInt64s(name, values))
    node.attributes.add(ir.AttrInt64("group", group))


def _batch_norm(node: ir.Node, context: Context) -> None:
    """Check y = scale·(x - mean)/sqrt(var + epsilon) + bias (inference), with var + epsilon > 0."""
    if node.attributes.get_int("training_mode", 0) or any(o.uses() for o in node.outputs[1:]):
        raise Refused("in training mode", "inference", "export after model.eval()")
    channels = shape_of(node.inputs[0])[1:2]
    epsilon = float(np.float32(node.attributes.get_float("epsilon", 1e-5)))
    for name, value in zip(("scale", "B", "mean", "var"), node.inputs[1:], strict=False):
        array = constant(value)
        if array is None:
            raise Refused(f"a computed {name}", "constant parameters")
        if array.shape != channels:
            raise Refused(f"{name} of shape {array.shape}", f"one value per channel, {channels}")
        if name == "var" and not (array.astype(np.float64) + epsilon > 0).all():
            bad = int(np.argmin(array))
            raise Refused(
                f"variance {array[bad]:g} + epsilon {epsilon:g} in channel {bad}", "a positive sum"
            )
    node.attributes.clear()
    node.attributes.add(ir.AttrFloat32("epsilon", epsilon))


CONVOLUTION = Pattern("convolution", frozenset({"Conv"}), _convolution)
BATCH_NORM = Pattern("batch normalization", frozenset({"BatchNormalization"}), _batch_norm)
