"""Random networks in standard ONNX operators, as exporters write them; equal seeds, equal files.

Between them they have the kinds that other people's networks brought: normalized inputs,
channels-last inputs, trained clips of any value, one-sided clips over all ranges, concatenated
flattened maps, one tensor in two skips, zero points per channel, differences, signs; curved
functions, gates, movements, larger maps, integer operators; raw pixels; several inputs,
outputs and heads.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import onnx
from onnx import TensorProto

from .functions import function
from .graph_builder import Network
from .heads import features, head
from .integers import integer_layer
from .layers import activation, affine, convolution, pool, quantizer
from .movements import movement
from .pairs import dense, gate, mean, pair, u_net
from .resizing import resize, transposed

_LARGEST = 400
"""Elements of a tensor from which on nothing is added that enlarges it."""


def _layer(b: Network, x: str) -> str:
    y = quantizer(b, x) if b.chance(0.75) else x
    y = convolution(b, y)
    y = affine(b, y) if b.chance(0.7) else y
    return _bent(b, y) if b.chance(0.7) else y


def _bent(b: Network, x: str) -> str:
    return function(b, x) if b.chance(0.35) else activation(b, x)


def _curved(b: Network, x: str) -> str:
    """Return a function whose real value is used, or one that only a quantizer reads."""
    y = function(b, x)
    return convolution(b, quantizer(b, y)) if b.chance(0.6) else y


def _residual(b: Network, x: str) -> str:
    """Return a skip: of the stream, of a convolution of it, added or subtracted,
    perhaps used twice.
    """
    channels = b.shape[x][0]
    shared = quantizer(b, x) if b.chance(0.5) else x
    y = convolution(b, shared if b.chance(0.5) else quantizer(b, x), channels, 1)
    y = affine(b, y)
    if b.shape[y] != b.shape[x]:
        return y
    skip = affine(b, shared) if b.chance(0.2) else shared
    pair = [y, skip] if b.chance(0.5) else [skip, y]
    y = b.node(b.source.choice(("Add", "Add", "Add", "Sub")), pair, b.shape[x])
    if b.chance(0.25):
        y = b.node("Add", [affine(b, y), shared], b.shape[x])
    return activation(b, y)


def _join(b: Network, x: str) -> str:
    a = convolution(b, quantizer(b, x), None, 1)
    c = convolution(b, quantizer(b, x), None, 1) if b.chance(0.6) else x
    if b.shape[a][1:] != b.shape[c][1:]:
        return a
    shape = (b.shape[a][0] + b.shape[c][0], *b.shape[a][1:])
    return b.node("Concat", [a, c], shape, axis=1)


_Part = Callable[[Network, str], str]
_PARTS: dict[_Part, float] = {
    _layer: 3, _residual: 1, _join: 1, pool: 1,
    _curved: 2, gate: 1, pair: 1, dense: 0.5, u_net: 0.5, mean: 0.5,
    movement: 4, transposed: 1, resize: 1, integer_layer: 1.5,
}  # fmt: skip
"""Parts of networks, and how often each is drawn."""


def _part(b: Network, x: str) -> str:
    if math.prod(b.shape[x]) > _LARGEST:
        return pool(b, x)
    (part,) = b.source.choices(list(_PARTS), list(_PARTS.values()))
    return part(b, x)


def _stem(b: Network, x: str) -> str:
    y = affine(b, x) if b.chance(0.3) else x
    if b.chance(0.6):
        y = _bent(b, affine(b, convolution(b, y)))
    return y


def _maps(b: Network) -> str:
    """Return the input as a map, which may have its channels last in the file."""
    channels, height = b.source.choice((1, 2, 3, 4)), b.source.choice((4, 5, 6))
    width = b.source.choice((height, height, 3))
    pixels = b.chance(0.12)
    if b.chance(0.8):
        x = b.input("x", (channels, height, width), pixels=pixels)
        return _preprocessed(b, x) if pixels else x
    x = b.input("x", (height, width, channels), pixels=pixels)
    if pixels and b.chance(0.5):
        x = _preprocessed(b, x)
    elif not pixels:
        x = b.same("Div", x, 2.5) if b.chance(0.4) else x
    y = b.node("Transpose", [x], (channels, height, width), perm=[0, 3, 1, 2])
    return _preprocessed(b, y) if x in b.pixels else y


def _preprocessed(b: Network, x: str) -> str:
    """Return real numbers of raw pixels: a cast, and a scale as files have it."""
    y = b.node("Cast", [x], b.shape[x], to=TensorProto.FLOAT)
    match b.source.choice(("div", "mul", "signed", "none")):
        case "div":
            return b.same("Div", y, 255.0)
        case "mul":
            return b.same("Mul", y, 1 / 255)
        case "signed":
            return b.same("Div", b.same("Sub", y, 127.5), 64.0)
    return y


def _with_second(b: Network, x: str) -> str:
    """Return the first input's tensor joined with one of another input."""
    channels, height, width = b.shape[x]
    if b.chance(0.3):
        z = _stem(b, b.input("z", (channels, height, width)))
        if b.shape[z] == b.shape[x]:
            return b.same(b.source.choice(("Add", "Mul", "Sub", "Max")), x, z)
    else:
        z = b.input("z", (b.source.choice((1, 2)), height, width))
        z = quantizer(b, z) if b.chance(0.5) else affine(b, z)
    if b.shape[z][1:] != (height, width):
        return x if b.shape[z] == b.shape[x] else _spread(b, x, z)
    return b.node("Concat", [x, z], (channels + b.shape[z][0], height, width), axis=1)


def _spread(b: Network, x: str, z: str) -> str:
    """Return a map times one number of another."""
    one = b.node("GlobalAveragePool", [z], (b.shape[z][0], 1, 1))
    weight = b.array(b.rng.normal(0, 0.5, (1, b.shape[z][0], 1, 1)))
    return b.node("Mul", [x, b.node("Conv", [one, weight], (1, 1, 1))], b.shape[x])


def random_network(seed: int | str) -> onnx.ModelProto:
    """Return a small network; `tests/fuzz/kinds/networks.py` compares it with ONNX Runtime."""
    b = Network(random.Random(seed))
    if b.chance(0.15):
        x = b.input("x", (b.source.choice((3, 8, 12)),))
        y = affine(b, x) if b.chance(0.3) else x
        return b.model(_ends(b, features(b, y)))
    y = _stem(b, _maps(b))
    y = _with_second(b, y) if b.chance(0.15) else y
    others: list[str] = []
    for _ in range(b.source.choice((0, 1, 1, 2, 2, 3, 3))):
        y = _part(b, y)
        if b.chance(0.12) and y not in (*b.inputs, *others):
            others.append(features(b, y) if b.chance(0.7) else y)
    ends = _ends(b, features(b, y))
    return b.model([*ends, *(o for o in dict.fromkeys(others) if o not in (*ends, *b.inputs))])


_LAYERS = frozenset({"Conv", "Gemm", "MatMul", "ConvTranspose", "QLinearMatMul", "MatMulInteger"})


def _ends(b: Network, y: str) -> list[str]:
    """Return the outputs that a network's last tensor becomes; a network has nodes, and layers
    where the host would else compute all of it.
    """
    y = affine(b, y) if y in b.inputs or not b.nodes else y
    layers = any(node.op_type in _LAYERS for node in b.nodes)
    return head(b, y) if layers and b.chance(0.3) else [y]
