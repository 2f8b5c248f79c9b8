"""Random trained-looking networks as canonical graphs, for tests of the passes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st

from .builder import F32, NetworkBuilder
from .ends import flattened, preprocessed


def block(
    b: NetworkBuilder,
    x: str,
    out: int,
    bits: int,
    stride: int,
    residual: bool,
    kernels: tuple[int, int] = (3, 3),
) -> str:
    """bias, PReLU, bias, quantizer, convolution, BatchNorm, twice; then the skip and its triple."""
    y = x
    for step, kernel in zip((stride, 1), kernels, strict=True):
        quantize = b.codebook if b.rng.random() < 0.2 else b.quantize
        y = quantize(b.bias(b.prelu(b.bias(y))), bits)
        y = b.batchnorm(b.conv(y, out, bits=bits, stride=step, kernel=kernel), 3.0)
    if residual:
        skip = x
        if b.shape[x] != b.shape[y]:
            quantized = b.rng.random() < 0.5
            if stride == 2 and b.rng.random() < 0.5:
                skip, stride = b.halved(skip), 1
            skip = b.quantize(skip, bits) if quantized else skip
            skip = b.batchnorm(
                b.conv(skip, out, bits=bits if quantized else None, kernel=1, stride=stride), 2.0
            )
        y = b.add(y, skip)
    return b.bias(b.prelu(b.bias(y)))


@st.composite
def networks(draw: st.DrawFn, far: float = 1.0) -> tuple[ir.Model, np.ndarray]:
    """A small network with all signs of gamma, slope and scale1, and float32 images for it.

    Args:
        draw: of hypothesis.
        far: above 1 there are also clamps of every kind, and affine maps of sizes up to this.
    """
    bits = draw(st.integers(1, 4))
    b = NetworkBuilder(
        draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 3)), draw(st.integers(4, 7))
    )
    width = draw(st.sampled_from([2, 4, 6]))
    y = preprocessed(b, "x", draw(st.sampled_from(["", "", "scale", "norm", "batchnorm"])))
    y = b.batchnorm(b.conv(y, width, bits=None))
    if far > 1 and draw(st.booleans()):
        y = b.moved(y, far)
    y = b.clip(y) if far > 1 else b.node("Relu", [y], b.shape[y])
    if draw(st.booleans()):
        c, h, w = b.shape[y]
        y = b.node(
            "MaxPool",
            [y],
            (c, (h - 1) // 2 + 1, (w - 1) // 2 + 1),
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
        )
    for _ in range(draw(st.integers(1, 2))):
        grow = draw(st.booleans())
        y = block(
            b,
            y,
            width * 2 if grow else width,
            bits,
            2 if grow else 1,
            draw(st.booleans()),
            draw(st.sampled_from([(3, 3), (1, 1), (1, 3)])),
        )
        width = b.shape[y][0]
        if far > 1 and draw(st.booleans()):
            y = b.clip(b.moved(y, far))
    if draw(st.booleans()):  # a join of two quantized branches, one with uneven levels
        branches = [b.quantize(y, bits), b.codebook(y, bits)]
        if draw(st.booleans()):
            y = b.concat(*(b.conv(q, 3, bits=bits, kernel=1) for q in branches))
        else:
            y = b.conv(b.concat(*branches), 4, bits=bits, kernel=1)
        y = b.batchnorm(y, 2.0)
        width = b.shape[y][0]
    if draw(st.booleans()):  # depthwise
        y = b.batchnorm(b.conv(b.quantize(y, bits), width, bits=bits, groups=width), 2.0)
    if draw(st.booleans()):
        y = b.node("GlobalAveragePool", [y], (width, 1, 1))
    y = flattened(b, y, bits, draw(st.sampled_from(["", "", "join", "groups"])))
    weight = b.rng.normal(0, 0.4, (5, b.shape[y][0])).astype(F32)
    y = b.node("Gemm", [y, b.array(weight), b.array(b.row(5, -1, 1))], (5,), transB=1)
    if far > 1 and draw(st.booleans()):
        y = b.clip(b.moved(y, far))
    images = b.rng.uniform(-2, 2, (draw(st.integers(1, 3)), *b.shape["x"])).astype(F32)
    return b.model(y), images
