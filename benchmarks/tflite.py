"""int8 TFLite models with the shapes of the measured networks, written without TensorFlow.

The classes of the format come with LiteRT (``schema_py_generated``); weights are random.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .int8 import STAGES


def load_schema(packages: Path) -> ModuleType:
    """Return the schema module of a LiteRT package unpacked in a folder, for any architecture."""
    file = packages / "ai_edge_litert" / "schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("tflite_schema", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Writer:
    """Tensors and operators of a model under construction; names are tensor indices."""

    def __init__(self, schema: ModuleType) -> None:
        self.s = schema
        self.rng = np.random.default_rng(0)
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.buffers = [schema.BufferT()]
        self.codes: list[int] = []

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        scale: list[float],
        zero: int = 0,
        values: np.ndarray[Any, Any] | None = None,
        axis: int = 0,
    ) -> int:
        tensor, grid = self.s.TensorT(), self.s.QuantizationParametersT()
        tensor.name = f"t{len(self.graph.tensors)}".encode()
        tensor.shape, tensor.type = list(shape), getattr(self.s.TensorType, dtype)
        if scale:
            grid.scale, grid.zeroPoint = scale, [zero] * len(scale)
            grid.quantizedDimension = axis
            tensor.quantization = grid
        tensor.buffer = 0
        if values is not None:
            buffer = self.s.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.graph.tensors[tensor].shape)

    def activation(self, shape: tuple[int, ...]) -> int:
        return self.tensor(shape, "INT8", [0.05], -3)

    def node(
        self, kind: str, inputs: list[int], shape: tuple[int, ...], options: str, **values: Any
    ) -> int:
        code = getattr(self.s.BuiltinOperator, kind)
        if code not in self.codes:
            self.codes.append(code)
        operator = self.s.OperatorT()
        operator.opcodeIndex, operator.inputs = self.codes.index(code), inputs
        operator.outputs = [self.activation(shape)]
        operator.builtinOptionsType = getattr(self.s.BuiltinOptions, options)
        operator.builtinOptions = getattr(self.s, f"{options}T")()
        for name, value in values.items():
            assert hasattr(operator.builtinOptions, name), name
            setattr(operator.builtinOptions, name, value)
        self.graph.operators.append(operator)
        return int(operator.outputs[0])

    def weights(self, shape: tuple[int, ...], each_channel: bool = True) -> list[int]:
        scales = [0.002] * (shape[0] if each_channel else 1)
        w = self.rng.integers(-127, 128, shape).astype(np.int8)
        b = self.rng.integers(-1000, 1000, shape[0]).astype(np.int32)
        return [
            self.tensor(shape, "INT8", scales, 0, w),
            self.tensor((shape[0],), "INT32", [0.05 * s for s in scales], 0, b),
        ]

    def conv(self, x: int, out: int, kernel: int, stride: int, relu: bool) -> int:
        _, height, width, depth = self.shape(x)
        shape = (1, -(-height // stride), -(-width // stride), out)
        return self.node(
            "CONV_2D",
            [x, *self.weights((out, kernel, kernel, depth))],
            shape,
            "Conv2DOptions",
            padding=self.s.Padding.SAME,
            strideH=stride,
            strideW=stride,
            fusedActivationFunction=self._function(relu),
        )

    def _function(self, relu: bool) -> int:
        kinds = self.s.ActivationFunctionType
        return int(kinds.RELU if relu else kinds.NONE)

    def model(self, x: int, y: int) -> bytes:
        self.graph.inputs, self.graph.outputs = [x], [y]
        model = self.s.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [self.graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = self.s.OperatorCodeT()
            entry.builtinCode, entry.version = code, 3
            entry.deprecatedBuiltinCode = min(code, 127)
            model.operatorCodes.append(entry)
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def conv(schema: ModuleType, size: int, channels: int) -> bytes:
    """Return a 3x3 convolution with bias and ReLU, int8 (1, H, W, C) in and out."""
    w = _Writer(schema)
    x = w.activation((1, size, size, channels))
    return w.model(x, w.conv(x, channels, 3, 1, True))


def resnet18(schema: ModuleType) -> bytes:
    """Return ResNet-18 (He et al., CVPR 2016, table 1), int8 (1, 224, 224, 3) to (1, 1000)."""
    w = _Writer(schema)
    given = w.activation((1, 224, 224, 3))
    x = w.conv(given, 64, 7, 2, True)
    x = w.node(
        "MAX_POOL_2D",
        [x],
        (1, 56, 56, 64),
        "Pool2DOptions",
        padding=schema.Padding.SAME,
        strideH=2,
        strideW=2,
        filterHeight=3,
        filterWidth=3,
    )
    for channels, first in STAGES:
        for stride in (first, 1):
            y = w.conv(w.conv(x, channels, 3, stride, True), channels, 3, 1, False)
            if w.shape(x)[3] != channels:
                x = w.conv(x, channels, 1, stride, False)
            x = w.node(
                "ADD", [y, x], w.shape(y), "AddOptions", fusedActivationFunction=w._function(True)
            )
    axes = w.tensor((2,), "INT32", [], 0, np.array([1, 2], np.int32))
    x = w.node("MEAN", [x, axes], (1, 512), "ReducerOptions", keepDims=False)
    x = w.node(
        "FULLY_CONNECTED", [x, *w.weights((1000, 512), False)], (1, 1000), "FullyConnectedOptions"
    )
    return w.model(given, x)
