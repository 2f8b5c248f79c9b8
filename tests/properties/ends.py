"""First and last parts of random networks: preprocessing, and flattening of maps."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from .builder import F32, NetworkBuilder


def preprocessed(b: NetworkBuilder, x: str, how: str) -> str:
    """Add preprocessing: scaling to a range,
    or normalization by mean and deviation or BatchNorm.
    """
    c, shape = b.shape[x][0], b.shape[x]
    if how == "scale":
        return b.node("Mul", [x, b.array(np.array(1 / 1.7, F32))], shape)
    if how == "norm":
        mean, deviation = (b.row(c, low, 0.6).reshape(1, c, 1, 1) for low in (-0.5, 0.2))
        x = b.node("Sub", [x, b.array(mean)], shape)
        return b.node("Div", [x, b.array(deviation)], shape)
    return b.batchnorm(x) if how == "batchnorm" else x


def flattened(b: NetworkBuilder, x: str, bits: int, how: str) -> str:
    """Add flattening of a map: alone, joined with the codes of its maxima, or after groups."""

    def flat(y: str) -> str:
        return b.node("Flatten", [y], (int(np.prod(b.shape[y])),))

    c, h, w = b.shape[x]
    if how == "join":
        window = {"kernel_shape": [h, 1], "strides": [1, 1], "pads": [0] * 4}
        codes = b.quantize(b.node("MaxPool", [x], (c, 1, w), **window), bits)
        parts = [flat(x), flat(codes)]
        size = sum(b.shape[part][0] for part in parts)
        return b.node("Concat", parts, (size,), axis=1)
    if how == "groups":
        b.arrays.append(numpy_helper.from_array(np.array([0, c * h * w, 1, 1]), "point"))
        x = b.node("Reshape", [flat(b.quantize(x, bits)), "point"], (c * h * w, 1, 1))
        return flat(b.conv(x, c, bits=bits, kernel=1, groups=c))
    return flat(x)
