"""The ends of networks: flattened maps, matrices, and heads that compute on the host."""

from __future__ import annotations

import numpy as np

from .functions import operator
from .graph_builder import Network
from .integers import integer_matrix
from .layers import activation, convolution, quantizer, weights
from .pairs import reduced


def _flat(b: Network, x: str) -> str:
    size = int(np.prod(b.shape[x]))
    if b.chance(0.7):
        return b.node("Flatten", [x], (size,), axis=1)
    return b.node("Reshape", [x, b.sizes(0, -1)], (size,))


def _matrix(b: Network, x: str) -> str:
    """Add a fully connected layer in any of its forms."""
    out, (size,) = b.source.choice((1, 3, 5)), b.shape[x]
    form = b.source.random()
    if form < 0.15:
        return integer_matrix(b, x, out)
    if form < 0.6:
        bias = b.array(b.uniform(-1, 1, out))
        return b.node("Gemm", [x, weights(b, (out, size)), bias], (out,), transB=1)
    matrix = b.array(b.rng.normal(0, 0.4, (size, out)))
    return b.same("Add", b.node("MatMul", [x, matrix], (out,)), b.uniform(-1, 1, out))


def features(b: Network, x: str) -> str:
    """Return flattened maps, perhaps two of them, and up to two matrices."""
    y = x
    if len(b.shape[x]) == 3:
        if b.chance(0.3):
            y = b.node("GlobalAveragePool", [y], (b.shape[y][0], 1, 1))
        elif b.chance(0.1):
            return reduced(b, "ReduceMean", y, b.source.choice(([2, 3], [1], [2])), False)
        if b.chance(0.1):
            return y
        y = _flat(b, y)
        if b.chance(0.15):
            other = _flat(b, convolution(b, quantizer(b, x)))
            y = b.node("Concat", [y, other], (b.shape[y][0] + b.shape[other][0],), axis=1)
    for _ in range(b.source.choice((0, 1, 1, 2))):
        y = quantizer(b, y) if b.chance(0.5) else y
        if b.shape[y][0] > 400:
            return y
        y = _matrix(b, y)
        y = activation(b, y) if b.chance(0.3) else y
        y = operator(b, y) if b.chance(0.1) else y
    return y


def head(b: Network, x: str) -> list[str]:
    """Return what the host makes of scores: probabilities, indices, or boxes of a detector."""
    shape = b.shape[x]
    match b.source.choice(("softmax", "log", "sigmoid", "argmax", "argmax", "topk", "boxes")):
        case "softmax":
            return [b.same("Softmax", x, axis=b.source.choice((1, -1)))]
        case "log":
            return [b.same("LogSoftmax", x, axis=b.source.choice((1, -1)))]
        case "sigmoid":
            return [b.same("Sigmoid", x)]
        case "argmax":
            score = b.same("Softmax", x, axis=1) if b.chance(0.3) else x
            keep = b.source.randrange(2)
            small = (1, *shape[1:]) if keep else shape[1:]
            last = b.source.randrange(2)
            return [b.node("ArgMax", [score], small, axis=1, keepdims=keep, select_last_index=last)]
        case "topk":
            count = b.source.randint(1, min(shape[0], 3))
            least = {"axis": 1, "largest": b.source.choice((1, 1, 0))}
            return b.several("TopK", [x, b.sizes(count)], [(count, *shape[1:])] * 2, **least)
        case "boxes" if len(shape) == 3:
            return [_boxes(b, x)]
    return [b.same("Exp", b.same("Mul", x, 0.1))]


def _boxes(b: Network, x: str) -> str:
    """Decode the boxes of a detector: places relative to a grid, then sizes."""
    channels, height, width = b.shape[x]
    anchors = 2 if channels % 2 == 0 else 1
    each = channels // anchors
    five = (anchors, each, height, width)
    y = b.node("Reshape", [x, b.sizes(0, *five)], five)
    y = b.node("Transpose", [y], (anchors, height, width, each), perm=[0, 1, 3, 4, 2])
    y = b.same("Sigmoid", y)
    grid = b.uniform(0, 4, (1, 1, height, width, 1))
    y = b.same("Mul", b.same("Add", b.same("Mul", y, 2.0), grid), 8.0)
    return b.node("Reshape", [y, b.sizes(0, -1, each)], (anchors * height * width, each))
