"""Random ordinary networks as ONNX files, like those of users.

Images, sequences and feature vectors, channels first or last, in float32, float16 or float64, with
preprocessing, biases, activations, groups, flattened maps and their joins, skips, differences, and
quantizers as comparisons, QDQ or QONNX. The reference is ONNX's evaluator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from .truth import QONNX, Ordinary

Draw = Any


class Maker:
    """Grows an ONNX graph; every tensor's shape is that of a sample."""

    def __init__(self, draw: Draw, dtype: type, flavor: str) -> None:
        self.draw, self.dtype, self.flavor = draw, dtype, flavor
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {}

    def one(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def array(self, value: Any, dtype: Any = None) -> str:
        name = f"c{len(self.arrays)}"
        array = np.asarray(value).astype(dtype or self.dtype)
        self.arrays.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, op: str, inputs: list[str], shape: tuple[int, ...], domain: str = "", **fields: Any
    ) -> str:
        out = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [out], f"{op}_{len(self.nodes)}", domain=domain, **fields)
        )
        self.shapes[out] = shape
        return out

    def numbers(self, shape: Any, least: float = -1.0, most: float = 1.0) -> np.ndarray:
        """Return numbers that every float format holds; some layers have coarse ones, which tie."""
        values = self.rng.uniform(least, most, shape)
        coarse = np.round(values * 8) / 8 if self.rng.random() < 0.3 and least < 0 else values
        return np.asarray(coarse).astype(np.float16).astype(np.float64)

    def weights(self, shape: Any, most: float = 1.0) -> np.ndarray:
        """Return weights of a layer; those of some layers take few uneven values."""
        if self.one(True, False):
            return self.numbers(shape, -most, most)
        book = self.numbers(self.one(2, 3, 4, 8), -most, most)
        return book[self.rng.integers(0, len(book), shape)]

    def pick(self, names: list[str]) -> str:
        return self.one(names[-1], names[-1], *names)


def _row(m: Maker, x: str, least: float, most: float) -> np.ndarray:
    """Return a scalar, or a value per channel."""
    shape = m.shapes[x]
    if m.one(True, False):
        return m.numbers((), least, most)
    return m.numbers((shape[0], *(1,) * (len(shape) - 1)), least, most)


def _affine(m: Maker, x: str) -> str:
    op, shape = m.one("Mul", "Add", "Sub", "Div", "Neg", "BatchNormalization"), m.shapes[x]
    if op == "Neg":
        return m.node(op, [x], shape)
    if op == "BatchNormalization":
        c = shape[0]
        rows = [m.numbers(c, -1.5, 1.5), m.numbers(c), m.numbers(c), m.numbers(c, 0.2, 2)]
        return m.node(op, [x, *map(m.array, rows)], shape, epsilon=2.0**-10)
    if op == "Div":
        return m.node(op, [x, m.array(_row(m, x, 0.3, 3))], shape)
    operands = [x, m.array(_row(m, x, -2, 2))]
    return m.node(op, operands[:: m.one(1, -1)], shape)


def _activation(m: Maker, x: str) -> str:
    op, shape = m.one("Relu", "LeakyRelu", "PRelu", "Clip"), m.shapes[x]
    if op == "LeakyRelu":
        return m.node(op, [x], shape, alpha=m.one(0.25, 0.0, -0.5, 1.5))
    if op == "PRelu":
        return m.node(op, [x, m.array(_row(m, x, -0.5, 1.2))], shape)
    if op == "Clip":
        low, high = m.one((0, 6), (None, 1), (-1, None), (0, None), (1, None), (-0.5, 0.5))
        bounds = ["" if b is None else m.array(b) for b in (low, high)]
        return m.node(op, [x, *bounds], shape)
    return m.node(op, [x], shape)


def _size(n: int, k: int, stride: int, pad: int) -> int:
    return (n + pad - k) // stride + 1


def _layer(m: Maker, x: str) -> str:
    """Return a convolution of any groups, or a fully connected layer."""
    shape, out = m.shapes[x], m.one(1, 2, 4, 6)
    c, *size = shape
    if not size:
        if m.one(True, False):
            y = m.node("MatMul", [x, m.array(m.weights((c, out)))], (out,))
            return m.node("Add", [y, m.array(m.numbers(out))], (out,)) if m.one(0, 1) else y
        weight = m.weights((out, c))
        inputs = [x, m.array(weight)] + [m.array(m.numbers(out))] * m.one(0, 1)
        return m.node("Gemm", inputs, (out,), transB=1)
    groups = m.one(1, 1, c, *(g for g in (2, 3) if c % g == 0))
    out = max(out // groups, 1) * groups
    kernel = [m.one(1, min(3, n)) for n in size]
    stride = [m.one(1, 1, 2) for _ in size]
    pads = [m.one(0, k // 2) for k in kernel * 2]
    axes = len(size)
    sizes = tuple(
        _size(n, kernel[i], stride[i], pads[i] + pads[i + axes]) for i, n in enumerate(size)
    )
    weight = m.weights((out, c // groups, *kernel), 0.5)
    inputs = [x, m.array(weight)] + [m.array(m.numbers(out))] * m.one(0, 1)
    return m.node(
        "Conv",
        inputs,
        (out, *sizes),
        kernel_shape=kernel,
        strides=stride,
        pads=pads,
        group=groups,
    )


def _pool(m: Maker, x: str) -> str:
    c, *size = m.shapes[x]
    if not size:
        return _activation(m, x)
    op = m.one("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean")
    if op == "ReduceMean":
        return m.node(op, [x], (c,), axes=list(range(2, 2 + len(size))), keepdims=0)
    if op.startswith("Global"):
        return m.node(op, [x], (c, *(1,) * len(size)))
    kernel = [m.one(1, min(2, n), min(3, n)) for n in size]
    stride = [m.one(1, 2) for _ in size]
    pads = [m.one(0, (k - 1) // 2) for k in kernel * 2]
    axes = len(size)
    sizes = tuple(
        _size(n, kernel[i], stride[i], pads[i] + pads[i + axes]) for i, n in enumerate(size)
    )
    more = {"count_include_pad": m.one(0, 1)} if op == "AveragePool" else {}
    fields = {"kernel_shape": kernel, "strides": stride, "pads": pads, **more}
    return m.node(op, [x], (c, *sizes), **fields)


def _reshape(m: Maker, x: str) -> str:
    """Flatten a map, or make a map of one position of features."""
    shape = m.shapes[x]
    if len(shape) > 1:
        flat = (int(np.prod(shape)),)
        if m.one(True, False):
            return m.node("Flatten", [x], flat, axis=1)
        return m.node("Reshape", [x, m.array([0, -1], np.int64)], flat)
    return m.node("Reshape", [x, m.array([0, shape[0], 1, 1], np.int64)], (*shape, 1, 1))


def _join(m: Maker, x: str) -> str:
    """Add a join of two or three tensors along the channels, a sum, or a difference."""
    shape = m.shapes[x]
    alike = [n for n, s in m.shapes.items() if s == shape]
    if m.one("concat", "sum") == "concat":
        fit = [n for n, s in m.shapes.items() if s[1:] == shape[1:]]
        names = [x, *(m.one(*fit) for _ in range(m.one(1, 2)))]
        names = names[:: m.one(1, -1)]
        return m.node("Concat", names, (sum(m.shapes[n][0] for n in names), *shape[1:]), axis=1)
    names = [x, m.one(*alike)]
    return m.node(m.one("Add", "Add", "Sub"), names[:: m.one(1, -1)], shape)


def _skip(m: Maker, x: str) -> str:
    """Return a branch of the same shape beside a tensor, added, or taken from it."""
    shape = m.shapes[x]
    if len(shape) == 1:
        y = m.node("MatMul", [x, m.array(m.numbers((*shape, *shape), -0.5, 0.5))], shape)
    else:
        y = m.node(
            "Conv", [x, m.array(m.numbers((shape[0],) * 2 + (1,) * (len(shape) - 1)))], shape
        )
    y = m.one(_affine, _activation, _quantizer)(m, y)
    return m.node(m.one("Add", "Sub"), [x, y][:: m.one(1, -1)], shape)


def _quantizer(m: Maker, x: str) -> str:
    """Add a quantizer in the form of the file: QONNX's Quant, QDQ, or comparisons."""
    shape, scale = m.shapes[x], m.one(0.25, 0.5, 0.3125)
    if m.flavor == "qonnx":
        signed = m.one(0, 1)
        inputs = [x, m.array(scale), m.array(0), m.array(m.one(2, 4))]
        fields = {"signed": signed, "narrow": m.one(0, signed), "rounding_mode": "ROUND"}
        return m.node("Quant", inputs, shape, QONNX, **fields)
    if m.flavor == "qdq":
        kind, zero = m.one((np.int8, 0), (np.uint8, 0), (np.uint8, 3))
        pair = [m.array(scale), m.array(zero, kind)]
        return m.node(
            "DequantizeLinear", [m.node("QuantizeLinear", [x, *pair], shape), *pair], shape
        )
    count, even = m.one(1, 3), m.one(True, True, False)
    steps = np.sort(m.rng.choice(np.arange(-60, 90), count, replace=False)) / 64
    y = m.array(0)
    for k, t in enumerate(steps, 1):  # a ladder, as N2UQ's code is exported
        above = m.node(m.one("Greater", "GreaterOrEqual"), [x, m.array(t)], shape)
        y = m.node("Where", [above, m.array(k * scale if even else k * k / 4), y], shape)
    return y


def _quantized_layer(m: Maker, x: str) -> str:
    """Return a layer on the codes of a quantizer of its own."""
    return _layer(m, _quantizer(m, x))


_STEPS: tuple[Callable[[Maker, str], str], ...] = (
    _affine,
    _activation,
    _layer,
    _quantized_layer,
    _pool,
    _reshape,
    _join,
    _skip,
    _quantizer,
)


@st.composite
def ordinary_networks(draw: Draw, most: int = 7) -> Ordinary:
    """A network of a few random steps and three images for it."""
    flavor = draw(st.sampled_from(["ladder", "qdq", "qonnx"]))
    dtypes = [np.float32] * 2 + ([np.float16, np.float64] if flavor == "ladder" else [])
    m = Maker(draw, draw(st.sampled_from(dtypes)), flavor)
    c, h, w = m.one(1, 2, 3, 4), m.one(1, 2, 3, 4), m.one(1, 2, 4)
    given, sample = "x", m.one((c, h, w), (c, h, w), (c, h), (c,))
    last = len(sample) == 3 and m.one(False, False, True)
    m.shapes["x"] = (h, w, c) if last else sample
    if last:
        given = m.node("Transpose", ["x"], (c, h, w), perm=[0, 3, 1, 2])
        m.shapes.pop("x")
    names = [_layer(m, given) if last else given]
    for _ in range(draw(st.integers(1, most))):
        step = draw(st.sampled_from(_STEPS))
        x = m.pick(names)
        if int(np.prod(m.shapes[x])) <= 400:
            names.append(step(m, x))
        m.shapes = {n: s for n, s in m.shapes.items() if n in names}
    output = names[-1]
    same = {"x"}
    for node in m.nodes:
        if node.op_type in ("Reshape", "Flatten", "Transpose") and node.input[0] in same:
            same.add(node.output[0])
    if output in same:
        output = _layer(m, output)  # a network that computes nothing is refused
    shape = m.shapes[output]
    if len(shape) == 3 and m.one(False, False, False, True):
        c_, h_, w_ = shape
        output = m.node("Transpose", [output], (h_, w_, c_), perm=[0, 2, 3, 1])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(m.dtype))
    size = (h, w, c) if last else sample
    graph = helper.make_graph(
        m.nodes,
        "ordinary",
        [helper.make_tensor_value_info("x", kind, ["N", *size])],
        [helper.make_tensor_value_info(output, kind, ["N", *m.shapes[output]])],
        m.arrays,
    )
    opsets = [helper.make_opsetid("", 17)]
    if flavor == "qonnx":
        opsets.append(helper.make_opsetid(QONNX, 1))
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    images = m.rng.normal(0, 1.2, (3, *size)).astype(m.dtype).astype(np.float64)
    return Ordinary(proto, np.clip(images, -7.5, 7.5))
