"""Random networks in standard ONNX operators, as exporters write them; the same seed, the same file.

Between them they have the kinds that other people's networks brought: normalised inputs, channels-last
inputs, trained clips of any value, one-sided clips over all ranges, concatenated flattened maps, groups
behind a flatten, one tensor in two skips, zero points a channel, differences, signs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32
QONNX = "qonnx.custom_op.general"
Shape = tuple[int, ...]


class Network:
    """Grows a graph node by node; shapes are of one sample, channels first."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.rng = np.random.default_rng(source.getrandbits(64))
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.shape: dict[str, Shape] = {}
        self.domains = {""}

    def array(self, value: object, kind: type = F32) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, op: str, inputs: Sequence[str], shape: Shape, **attributes: object) -> str:
        out = f"v{len(self.nodes)}"
        domain = str(attributes.pop("domain", ""))
        self.domains.add(domain)
        self.nodes.append(
            helper.make_node(op, inputs, [out], f"{op}_{len(self.nodes)}", None, domain, **attributes)
        )
        self.shape[out] = shape
        return out

    def same(self, op: str, x: str, *parameters: object, **attributes: object) -> str:
        """An elementwise operator; numbers become parameters."""
        names = [p if isinstance(p, str) else self.array(p) for p in parameters]
        return self.node(op, [x, *names], self.shape[x], **attributes)

    def uniform(self, low: float, high: float, size: object = None) -> np.ndarray:
        return np.asarray(self.rng.uniform(low, high, size), F32)

    def per_channel(self, x: str, low: float, high: float) -> np.ndarray:
        """One number a channel or one for all, shaped to broadcast."""
        shape = self.shape[x]
        if self.source.random() < 0.4:
            return self.uniform(low, high)
        return self.uniform(low, high, (shape[0], *(1,) * (len(shape) - 1)))

    def model(self, x: str, output: str, face: Shape) -> onnx.ModelProto:
        batch = self.source.choice(("N", 1))
        out = self.shape[output]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, *face])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, *out])],
            self.arrays,
        )
        opsets = [helper.make_opsetid(d, 1 if d else 17) for d in sorted(self.domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def affine(b: Network, x: str) -> str:
    """Normalisation, scale or shift, in any of its forms."""
    channels = b.shape[x][0]
    match b.source.choice(("add", "sub", "mul", "div", "norm", "batchnorm", "batchnorm")):
        case "add":
            return b.same("Add", x, b.per_channel(x, -1, 1))
        case "sub":
            return b.same("Sub", x, b.per_channel(x, -1, 1))
        case "mul":
            return b.same("Mul", x, b.per_channel(x, 0.3, 2))
        case "div":
            return b.same("Div", x, b.per_channel(x, 0.4, 2))
        case "norm":
            return b.same("Div", b.same("Sub", x, b.per_channel(x, -0.5, 0.5)), b.per_channel(x, 0.5, 2))
    gamma = b.uniform(0.3, 1.5, channels) * b.rng.choice([-1, 1, 1], channels).astype(F32)
    rows = (gamma, b.uniform(-1, 1, channels), b.uniform(-1, 1, channels), b.uniform(0.2, 2, channels))
    return b.same("BatchNormalization", x, *rows, epsilon=1e-5)


def activation(b: Network, x: str) -> str:
    """Clips of one side and two, over ranges that lie on either side of them."""
    channels = b.shape[x][0]
    match b.source.choice(("relu", "relu", "relu6", "leaky", "prelu", "low", "high", "clip", "none")):
        case "relu":
            return b.same("Relu", x)
        case "relu6":
            return b.same("Clip", x, 0.0, 6.0)
        case "leaky":
            return b.same("LeakyRelu", x, alpha=float(b.uniform(0.01, 0.5)))
        case "prelu" if len(b.shape[x]) == 3:
            return b.same("PRelu", x, b.uniform(-0.5, 1.2, (channels, 1, 1)))
        case "low":
            return b.same("Clip", x, b.source.choice((0.0, 0.5, -1.0, -30.0, 30.0)))
        case "high":
            limit = b.array(b.source.choice((0.0, 1.0, -1.0, 50.0, -50.0, 3.1)))
            return b.node("Clip", [x, "", limit], b.shape[x])
        case "clip":
            low, high = sorted(b.uniform(-3, 3, 2))
            return b.same("Clip", x, low, high)
    return x


def quantizer(b: Network, x: str) -> str:
    """An activation quantizer of 1 to 4 bits, in a form of some exporter."""
    bits = b.source.choice((1, 2, 2, 3, 4))
    n = 2**bits - 1
    alpha = F32(b.source.choice((1.0, 2.5, 3.1, float(b.uniform(0.3, 4)))))
    step = F32(alpha / F32(n))
    match b.source.choice(("pact", "lsq", "lsq", "signed", "dorefa", "ladder", "count", "quant", "sign")):
        case "pact":
            y = b.same("Clip", x, 0.0, alpha)
            factor = F32(n) / alpha
            return b.same("Div", b.same("Round", b.same("Mul", y, factor)), factor)
        case "lsq":
            y = b.same("Clip", b.same("Div", x, step), 0.0, float(n))
            return b.same("Mul", b.same("Round", y), step)
        case "signed" if bits > 1:
            top = float(2 ** (bits - 1) - 1)
            y = b.same("Clip", b.same("Div", x, step), -top, top)
            return b.same("Mul", b.same("Round", y), step)
        case "dorefa":
            y = b.same("Clip", x, 0.0, 1.0)
            return b.same("Div", b.same("Round", b.same("Mul", y, float(n))), float(n))
        case "ladder":
            table = np.sort(b.uniform(-1, 2, n))
            y = b.array(np.zeros((1,)))
            for k in range(n):
                above = b.node("Greater", [x, b.array(table[k])], b.shape[x])
                y = b.node("Where", [above, b.array([k + 1]), y], b.shape[x])
            return b.same("Mul", y, step)
        case "count":
            total = None
            for t in np.sort(b.uniform(-1, 2, n)):
                above = b.node("Greater", [x, b.array(t)], b.shape[x])
                one = b.node("Cast", [above], b.shape[x], to=TensorProto.FLOAT)
                total = one if total is None else b.node("Add", [total, one], b.shape[x])
            assert total is not None
            return b.same("Mul", total, step)
        case "quant":
            zero: object = float(b.source.choice((0, 0, 1, n // 2)))
            if len(b.shape[x]) == 3 and b.source.random() < 0.2:
                zero = b.rng.integers(0, n + 1, (1, b.shape[x][0], 1, 1))
            options = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
            return b.same("Quant", x, step, zero, float(bits), domain=QONNX, **options)
        case "sign":
            return b.same("Sign", x)
    return quantizer(b, x)


def weights(b: Network, shape: Shape) -> str:
    """Trained weights: on a grid a channel, by one step, or real."""
    form = b.source.choice(("real", "grid", "grid", "grid", "quant"))
    if form == "real":
        return b.array(b.rng.normal(0, 0.4, shape))
    bits = b.source.choice((1, 2, 3, 4))
    top = 2**bits - 1
    codes = 2 * b.rng.integers(0, top + 1, shape) - top
    if b.source.random() < 0.4:
        codes = b.rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    steps = b.uniform(0.05, 0.5, (shape[0], *(1,) * (len(shape) - 1)))
    if form == "grid" or bits == 1:
        return b.array((codes * steps).astype(F32))
    real = b.array(b.rng.normal(0, 0.4, shape))
    options = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND", "domain": QONNX}
    parameters = [b.array(v) for v in (F32(0.2), F32(0), F32(bits))]
    return b.node("Quant", [real, *parameters], shape, **options)


def convolution(b: Network, x: str, out: int | None = None, stride: int | None = None) -> str:
    """Of any group, stride, dilation and edge that exporters write."""
    channels, height, width = b.shape[x]
    out = out or b.source.choice((1, 2, 3, 4, 6))
    groups = b.source.choice((1, 1, 1, channels))
    out = -(-out // groups) * groups
    kernel = b.source.choice((1, 1, 3, 3, 3, 2, 5)) if min(height, width) > 1 else 1
    stride = stride or b.source.choice((1, 1, 1, 2))
    dilation = b.source.choice((1, 1, 1, 2))
    reach = dilation * (kernel - 1)
    pads = [reach // 2] * 4
    if b.source.random() < 0.15 or reach % 2:
        pads = [b.source.randrange(kernel + 1) for _ in range(2)] + [reach, reach]
    size = [(n + pads[k] + pads[k + 2] - reach - 1) // stride + 1 for k, n in ((0, height), (1, width))]
    inputs = [x, weights(b, (out, channels // groups, kernel, kernel))]
    if b.source.random() < 0.4:
        inputs.append(b.array(b.uniform(-0.5, 0.5, out)))
    attributes = {"strides": [stride] * 2, "group": groups, "pads": pads, "dilations": [dilation] * 2}
    return b.node("Conv", inputs, (out, *size), kernel_shape=[kernel] * 2, **attributes)


def pool(b: Network, x: str) -> str:
    """Maximum or mean over windows, some reaching over the edge."""
    channels, height, width = b.shape[x]
    kernel, stride = b.source.choice(((2, 2), (3, 2), (3, 1), (2, 1)))
    if min(height, width) < kernel:
        return x
    pad = b.source.choice((0, kernel // 2))
    size = [(n + 2 * pad - kernel) // stride + 1 for n in (height, width)]
    fields: dict[str, object] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    if b.source.random() < 0.5:
        return b.node("MaxPool", [x], (channels, *size), **fields)
    fields["count_include_pad"] = b.source.choice((0, 0, 1))
    return b.node("AveragePool", [x], (channels, *size), **fields)


def _layer(b: Network, x: str) -> str:
    y = quantizer(b, x) if b.source.random() < 0.75 else x
    y = convolution(b, y)
    y = affine(b, y) if b.source.random() < 0.7 else y
    return activation(b, y) if b.source.random() < 0.7 else y


def _residual(b: Network, x: str) -> str:
    """A skip: of the stream, of a convolution of it, added or subtracted, perhaps used twice."""
    channels = b.shape[x][0]
    shared = quantizer(b, x) if b.source.random() < 0.5 else x
    y = convolution(b, shared if b.source.random() < 0.5 else quantizer(b, x), channels, 1)
    y = affine(b, y)
    if b.shape[y] != b.shape[x]:
        return y
    skip = affine(b, shared) if b.source.random() < 0.2 else shared
    pair = [y, skip] if b.source.random() < 0.5 else [skip, y]
    y = b.node(b.source.choice(("Add", "Add", "Add", "Sub")), pair, b.shape[x])
    if b.source.random() < 0.25:
        y = b.node("Add", [affine(b, y), shared], b.shape[x])
    return activation(b, y)


def _join(b: Network, x: str) -> str:
    a = convolution(b, quantizer(b, x), None, 1)
    c = convolution(b, quantizer(b, x), None, 1) if b.source.random() < 0.6 else x
    if b.shape[a][1:] != b.shape[c][1:]:
        return a
    shape = (b.shape[a][0] + b.shape[c][0], *b.shape[a][1:])
    return b.node("Concat", [a, c], shape, axis=1)


def _flat(b: Network, x: str) -> str:
    size = int(np.prod(b.shape[x]))
    if b.source.random() < 0.7:
        return b.node("Flatten", [x], (size,), axis=1)
    return b.node("Reshape", [x, b.array([0, -1], np.int64)], (size,))


def _head(b: Network, x: str) -> str:
    """Flattened maps, perhaps two of them, and one or two matrices."""
    y = x
    if len(b.shape[x]) == 3:
        if b.source.random() < 0.3:
            y = b.node("GlobalAveragePool", [y], (b.shape[y][0], 1, 1))
        if b.source.random() < 0.1:
            return y
        y = _flat(b, y)
        if b.source.random() < 0.15:
            other = _flat(b, convolution(b, quantizer(b, x)))
            y = b.node("Concat", [y, other], (b.shape[y][0] + b.shape[other][0],), axis=1)
    for _ in range(b.source.choice((0, 1, 1, 2))):
        if b.source.random() < 0.5:
            y = quantizer(b, y)
        out, size = b.source.choice((1, 3, 5)), b.shape[y][0]
        if size > 400:
            return y
        if b.source.random() < 0.6:
            y = b.node("Gemm", [y, weights(b, (out, size)), b.array(b.uniform(-1, 1, out))], (out,), transB=1)
        else:
            y = b.same("Add", b.node("MatMul", [y, b.array(b.rng.normal(0, 0.4, (size, out)))], (out,)),
                       b.uniform(-1, 1, out))  # fmt: skip
        y = activation(b, y) if b.source.random() < 0.3 else y
    return y


_PARTS: tuple[Callable[[Network, str], str], ...] = (_layer, _layer, _layer, _residual, _join, pool)


def random_network(seed: int | str) -> onnx.ModelProto:
    """A small network; `tests/fuzz/kinds/networks.py` compares it with ONNX Runtime."""
    b = Network(random.Random(seed))
    channels, height = b.source.choice((1, 2, 3)), b.source.choice((4, 5, 6))
    width = b.source.choice((height, height, 3))
    form = b.source.choice(("maps", "maps", "maps", "maps", "last", "row"))
    face: Shape = (channels, height, width)
    x, b.shape["x"] = "x", face
    if form == "row":
        face = b.shape["x"] = (b.source.choice((3, 8, 12)),)
        y = affine(b, x) if b.source.random() < 0.3 else x
        return b.model("x", _head(b, y), face)
    if form == "last":
        face = (height, width, channels)
        if b.source.random() < 0.4:
            x = b.same("Div", x, 2.5)
        x = b.node("Transpose", [x], (channels, height, width), perm=[0, 3, 1, 2])
    y = affine(b, x) if b.source.random() < 0.3 else x
    if b.source.random() < 0.6:
        y = convolution(b, y)
        y = activation(b, affine(b, y))
    for _ in range(b.source.choice((0, 1, 1, 2, 3))):
        y = b.source.choice(_PARTS)(b, y)
    return b.model("x", _head(b, y), face)
