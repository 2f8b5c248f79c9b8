"""8-bit ONNX models with the shapes of the measured networks, for ONNX Runtime.

Weights are random, BatchNorm is folded into the convolutions, and activations are ReLU, as in usual
int8 networks.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels of each stage of ResNet-18, and the stride of its first block."""


class _Writer:
    """Nodes and weights of a float model under construction."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x: str, depth: int, out: int, kernel: int, stride: int = 1) -> str:
        scale = np.sqrt(2 / (depth * kernel**2))
        name, shape = f"w{len(self.nodes)}", (out, depth, kernel, kernel)
        for suffix, values in (
            ("", self.rng.normal(0, scale, shape)),
            ("b", self.rng.normal(0, 0.1, out)),
        ):
            self.weights.append(numpy_helper.from_array(values.astype(np.float32), name + suffix))
        return self.node(
            "Conv",
            [x, name, f"{name}b"],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
        )

    def model(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> onnx.ModelProto:
        self.nodes[-1].output[0] = "output"
        face = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
            for name, shape in (("input", given), ("output", wanted))
        ]
        graph = helper.make_graph(self.nodes, "peer", face[:1], face[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def float_resnet18(seed: int = 0) -> onnx.ModelProto:
    """Return ResNet-18 (He et al., CVPR 2016, table 1), float32 (1, 3, 224, 224) to (1, 1000)."""
    w = _Writer(seed)
    x = w.node("Relu", [w.conv("input", 3, 64, 7, 2)])
    x = w.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    depth = 64
    for channels, first in STAGES:
        for stride in (first, 1):
            y = w.node("Relu", [w.conv(x, depth, channels, 3, stride)])
            y = w.conv(y, channels, channels, 3)
            if depth != channels:
                x = w.conv(x, depth, channels, 1, stride)
            x, depth = w.node("Relu", [w.node("Add", [y, x])]), channels
    x = w.node("Flatten", [w.node("GlobalAveragePool", [x])])
    for suffix, shape in (("", (1000, 512)), ("b", (1000,))):
        values = w.rng.normal(0, 0.05, shape).astype(np.float32)
        w.weights.append(numpy_helper.from_array(values, f"fc{suffix}"))
    w.node("Gemm", [x, "fc", "fcb"], transB=1)
    return w.model((3, 224, 224), (1000,))


def quantized(model: onnx.ModelProto, activations: str) -> onnx.ModelProto:
    """Quantize a model to 8 bits with ONNX Runtime's static quantization, weights int8 by channel.

    Args:
        model: a float model with one input.
        activations: ``uint8`` (recommended by ONNX Runtime for x86) or ``int8`` (for ARM).
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    rng = np.random.default_rng(1)

    class Drawn(CalibrationDataReader):  # type: ignore[misc]
        """Two images of noise; the accuracy does not matter here."""

        def __init__(self) -> None:
            self.left: Iterator[dict[str, Any]] = iter(
                {"input": rng.normal(0, 1, shape).astype(np.float32)} for _ in range(2)
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    logging.getLogger().setLevel(logging.ERROR)  # it advises preprocessing, which is done
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_static(
            source,
            result,
            Drawn(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8 if activations == "uint8" else QuantType.QInt8,
        )
        return onnx.load(result)


def integer_conv(size: int, channels: int) -> onnx.ModelProto:
    """Return a 3x3 QLinearConv with bias, int8 (1, C, H, W) in and out, without floats."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (channels, channels, 3, 3)).astype(np.int8)
    constants = {
        "xs": np.float32(0.05),
        "xz": np.int8(-3),
        "w": weight,
        "ws": np.full(channels, 0.002, np.float32),
        "wz": np.zeros(channels, np.int8),
        "ys": np.float32(0.1),
        "yz": np.int8(-128),
        "b": rng.integers(-1000, 1000, channels).astype(np.int32),
    }
    node = helper.make_node(
        "QLinearConv", ["input", *constants], ["output"], kernel_shape=[3, 3], pads=[1] * 4
    )
    shape = [1, channels, size, size]
    face = [
        helper.make_tensor_value_info(name, TensorProto.INT8, shape) for name in ("input", "output")
    ]
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph([node], "peer", face[:1], face[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
