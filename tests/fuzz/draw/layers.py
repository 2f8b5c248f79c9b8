"""Layers and quantizers as exporters write them, drawn with all their options."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .graph_builder import F32, Network, Shape

QONNX = "qonnx.custom_op.general"


_AFFINE = ("add", "sub", "mul", "div", "norm", "batchnorm", "batchnorm") * 2


def affine(b: Network, x: str) -> str:
    """Normalization, scale or shift, in any of its forms."""
    channels = b.shape[x][0]
    match b.source.choice((*_AFFINE, "instance")):
        case "add":
            return b.same("Add", x, b.per_channel(x, -1, 1))
        case "sub":
            return b.same("Sub", x, b.per_channel(x, -1, 1))
        case "mul":
            return b.same("Mul", x, b.per_channel(x, 0.3, 2))
        case "div":
            return b.same("Div", x, b.per_channel(x, 0.4, 2))
        case "norm":
            return b.same(
                "Div", b.same("Sub", x, b.per_channel(x, -0.5, 0.5)), b.per_channel(x, 0.5, 2)
            )
        case "instance" if len(b.shape[x]) == 3 and b.shape[x][1] * b.shape[x][2] > 3:
            scale, bias = b.uniform(0.5, 2, channels), b.uniform(-0.5, 0.5, channels)
            return b.same("InstanceNormalization", x, scale, bias, epsilon=1e-2)
    gamma = b.uniform(0.3, 1.5, channels) * b.rng.choice([-1, 1, 1], channels).astype(F32)
    rows = (
        gamma,
        b.uniform(-1, 1, channels),
        b.uniform(-1, 1, channels),
        b.uniform(0.2, 2, channels),
    )
    return b.same("BatchNormalization", x, *rows, epsilon=1e-5)


def activation(b: Network, x: str) -> str:
    """Clips of one side and two, over ranges that lie on either side of them."""
    channels = b.shape[x][0]
    match b.source.choice(
        ("relu", "relu", "relu6", "leaky", "prelu", "low", "high", "clip", "none")
    ):
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
    """Return an activation quantizer of 1 to 4 bits, in a form of some exporter."""
    bits = b.source.choice((1, 2, 2, 3, 4))
    n = 2**bits - 1
    alpha = F32(b.source.choice((1.0, 2.5, 3.1, float(b.uniform(0.3, 4)))))
    step = F32(alpha / F32(n))
    level = step * F32(b.source.choice((1, 1, 1, 1, -1, -0.3)))  # a factor behind it, of any sign
    match b.source.choice(
        ("pact", "lsq", "lsq", "signed", "dorefa", "ladder", "count", "quant", "sign")
    ):
        case "pact":
            y = b.same("Clip", x, 0.0, alpha)
            factor = F32(n) / alpha
            return b.same("Div", b.same("Round", b.same("Mul", y, factor)), factor)
        case "lsq":
            y = b.same("Clip", b.same("Div", x, step), 0.0, float(n))
            return b.same("Mul", b.same("Round", y), level)
        case "signed" if bits > 1:
            top = float(2 ** (bits - 1) - 1)
            y = b.same("Clip", b.same("Div", x, step), -top, top)
            return b.same("Mul", b.same("Round", y), level)
        case "dorefa":
            y = b.same("Clip", x, 0.0, 1.0)
            return b.same("Div", b.same("Round", b.same("Mul", y, float(n))), float(n))
        case "ladder":
            table = np.sort(b.uniform(-1, 2, n))
            y = b.array(np.zeros((1,)))
            for k in range(n):
                above = b.node("Greater", [x, b.array(table[k])], b.shape[x])
                y = b.node("Where", [above, b.array([k + 1]), y], b.shape[x])
            return b.same("Mul", y, level)
        case "count":
            total = None
            for t in np.sort(b.uniform(-1, 2, n)):
                above = b.node("Greater", [x, b.array(t)], b.shape[x])
                one = b.node("Cast", [above], b.shape[x], to=TensorProto.FLOAT)
                total = one if total is None else b.node("Add", [total, one], b.shape[x])
            assert total is not None
            return b.same("Mul", total, level)
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
    """Add a convolution with any group, stride, dilation and padding that exporters write."""
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
    size = [
        (n + pads[k] + pads[k + 2] - reach - 1) // stride + 1 for k, n in ((0, height), (1, width))
    ]
    inputs = [x, weights(b, (out, channels // groups, kernel, kernel))]
    if b.source.random() < 0.4:
        inputs.append(b.array(b.uniform(-0.5, 0.5, out)))
    attributes = {
        "strides": [stride] * 2,
        "group": groups,
        "pads": pads,
        "dilations": [dilation] * 2,
    }
    return b.node("Conv", inputs, (out, *size), kernel_shape=[kernel] * 2, **attributes)


def pool(b: Network, x: str) -> str:
    """Maximum or mean over windows, some reaching over the edge."""
    channels, height, width = b.shape[x]
    kernel, stride = b.source.choice(((2, 2), (3, 2), (3, 1), (2, 1)))
    if min(height, width) < kernel:
        return x
    pad = b.source.choice((0, kernel // 2))
    size = [(n + 2 * pad - kernel) // stride + 1 for n in (height, width)]
    fields: dict[str, object] = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [pad] * 4,
    }
    if b.source.random() < 0.5:
        return b.node("MaxPool", [x], (channels, *size), **fields)
    fields["count_include_pad"] = b.source.choice((0, 0, 1))
    return b.node("AveragePool", [x], (channels, *size), **fields)
