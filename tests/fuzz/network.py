"""Random networks in standard ONNX operators, as exporters write them; equal seeds, equal files.

Between them they have the kinds that other people's networks brought: normalized inputs,
channels-last inputs, trained clips of any value, one-sided clips over all ranges, concatenated
flattened maps, one tensor in two skips, zero points per channel, differences, signs.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx

from .graph_builder import Network, Shape
from .layers import activation, affine, convolution, pool, quantizer, weights


def _layer(b: Network, x: str) -> str:
    y = quantizer(b, x) if b.source.random() < 0.75 else x
    y = convolution(b, y)
    y = affine(b, y) if b.source.random() < 0.7 else y
    return activation(b, y) if b.source.random() < 0.7 else y


def _residual(b: Network, x: str) -> str:
    """Return a skip: of the stream, of a convolution of it, added or subtracted,
    perhaps used twice.
    """
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
            y = b.node(
                "Gemm",
                [y, weights(b, (out, size)), b.array(b.uniform(-1, 1, out))],
                (out,),
                transB=1,
            )
        else:
            matrix = b.array(b.rng.normal(0, 0.4, (size, out)))
            y = b.same("Add", b.node("MatMul", [y, matrix], (out,)), b.uniform(-1, 1, out))
        y = activation(b, y) if b.source.random() < 0.3 else y
    return y


_PARTS: tuple[Callable[[Network, str], str], ...] = (_layer, _layer, _layer, _residual, _join, pool)


def _something(b: Network, x: str) -> str:
    """Return a network has nodes."""
    return x if b.nodes else affine(b, x)


def random_network(seed: int | str) -> onnx.ModelProto:
    """Return a small network; `tests/fuzz/kinds/networks.py` compares it with ONNX Runtime."""
    b = Network(random.Random(seed))
    channels, height = b.source.choice((1, 2, 3)), b.source.choice((4, 5, 6))
    width = b.source.choice((height, height, 3))
    form = b.source.choice(("maps", "maps", "maps", "maps", "last", "row"))
    face: Shape = (channels, height, width)
    x, b.shape["x"] = "x", face
    if form == "row":
        face = b.shape["x"] = (b.source.choice((3, 8, 12)),)
        y = affine(b, x) if b.source.random() < 0.3 else x
        return b.model("x", _something(b, _head(b, y)), face)
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
    return b.model("x", _something(b, _head(b, y)), face)
