"""Operators on integer codes: each quantizes a tensor and gives real values again."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .graph_builder import Network, Shape

_MICROSOFT = "com.microsoft"
_CODES = 63
"""Largest weight: sums of pairs of larger ones saturate in ONNX Runtime on older processors."""


def _scale(b: Network) -> str:
    return b.array(b.uniform(0.01, 0.06))


def _codes(b: Network, x: str, kind: type) -> list[str]:
    """Return a tensor's codes, their scale and zero point."""
    zero = b.array(b.source.choice((0, 3, 100) if kind is np.uint8 else (0, -5)), kind)
    pair = [_scale(b), zero]
    return [b.same("QuantizeLinear", x, *pair), *pair]


def _result(b: Network, kind: type) -> list[str]:
    """Return a scale and a zero point for results."""
    return [
        b.array(b.uniform(0.02, 0.08)),
        b.array(b.source.choice((0, 90)) if kind is np.uint8 else b.source.choice((0, 7)), kind),
    ]


def _weights(b: Network, shape: Shape) -> list[str]:
    """Return weights in int8, the scale of each output or of all, zero points of 0."""
    step = (shape[0],) if b.chance(0.5) else ()
    codes = b.array(b.rng.integers(-_CODES, _CODES + 1, shape), np.int8)
    return [codes, b.array(b.uniform(0.003, 0.012, step)), b.array(np.zeros(step), np.int8)]


def _convolution(b: Network, x: str, kind: type) -> str:
    channels, height, width = b.shape[x]
    groups = b.source.choice((1, 1, channels))
    out = groups * b.source.choice((1, 2))
    kernel = 3 if min(height, width) >= 3 and b.chance(0.5) else 1
    fields = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "group": groups}
    shape = (out, height, width)
    if b.chance(0.35) and groups == 1:  # sums, scaled by what follows
        codes, _, zero = _codes(b, x, kind)
        values = b.rng.integers(1, 2 * _CODES, (out, channels, kernel, kernel))
        inputs = [codes, b.array(values, np.uint8), zero, b.array(_CODES, np.uint8)]
        y = b.node("ConvInteger", inputs, shape, **fields)
        y = b.node("Cast", [y], shape, to=TensorProto.FLOAT)
        return b.same("Mul", y, b.uniform(2e-4, 8e-4))
    end = _result(b, kind)
    inputs = [*_codes(b, x, kind), *_weights(b, (out, channels // groups, kernel, kernel)), *end]
    if b.chance(0.5):
        inputs.append(b.array(b.rng.integers(-900, 900, out), np.int32))
    y = b.node("QLinearConv", inputs, shape, **fields)
    return b.same("DequantizeLinear", y, *end)


def _of_two(b: Network, x: str, kind: type) -> str:
    other = b.same("LeakyRelu", x, alpha=0.25)
    end = _result(b, kind)
    inputs = [*_codes(b, x, kind), *_codes(b, other, kind), *end]
    op = b.source.choice(("QLinearAdd", "QLinearMul"))
    y = b.node(op, inputs, b.shape[x], domain=_MICROSOFT)
    return b.same("DequantizeLinear", y, *end)


def _of_one(b: Network, x: str, kind: type) -> str:
    end = _result(b, kind)
    op = b.source.choice(("QLinearSigmoid", "QLinearLeakyRelu", "QLinearGlobalAveragePool"))
    shape = b.shape[x] if op != "QLinearGlobalAveragePool" else (b.shape[x][0], 1, 1)
    y = b.node(op, [*_codes(b, x, kind), *end], shape, domain=_MICROSOFT)
    return b.same("DequantizeLinear", y, *end)


def integer_layer(b: Network, x: str) -> str:
    """Add an integer operator to a map."""
    kind = b.source.choice((np.uint8, np.int8))
    return b.source.choice((_convolution, _convolution, _convolution, _of_two, _of_one))(b, x, kind)


def integer_matrix(b: Network, x: str, out: int) -> str:
    """Add an integer product to features."""
    (size,) = b.shape[x]
    kind = b.source.choice((np.uint8, np.int8))
    if b.chance(0.4):
        codes, _, zero = _codes(b, x, kind)
        values = b.array(b.rng.integers(1, 2 * _CODES, (size, out)), np.uint8)
        y = b.node("MatMulInteger", [codes, values, zero, b.array(_CODES, np.uint8)], (out,))
        y = b.node("Cast", [y], (out,), to=TensorProto.FLOAT)
        return b.same("Mul", y, b.uniform(2e-4, 8e-4))
    end = _result(b, kind)
    values = b.array(b.rng.integers(-_CODES, _CODES + 1, (size, out)), np.int8)
    matrix = [values, b.array(b.uniform(0.003, 0.012)), b.array(0, np.int8)]
    y = b.node("QLinearMatMul", [*_codes(b, x, kind), *matrix, *end], (out,))
    return b.same("DequantizeLinear", y, *end)
