"""What is computed from two tensors: gates, products, differences, extremes; means over axes."""

from __future__ import annotations

from .functions import function, operator
from .graph_builder import Network, Shape
from .layers import activation, affine, pool, quantizer


def reduced(b: Network, op: str, x: str, axes: list[int], keep: bool = True) -> str:
    """Add a ReduceMean or ReduceMax over axes of [N,C,H,W], as the opset states them."""
    shape: Shape = tuple(1 if k + 1 in axes else n for k, n in enumerate(b.shape[x]))
    if not keep:
        shape = tuple(n for k, n in enumerate(b.shape[x]) if k + 1 not in axes)
    if b.opset >= 18:
        return b.node(op, [x, b.sizes(*axes)], shape, keepdims=int(keep))
    return b.node(op, [x], shape, axes=axes, keepdims=int(keep))


def mean(b: Network, x: str) -> str:
    """Add a mean or maximum over some axes of a map."""
    axes = b.source.choice(([1], [2], [3], [2, 3], [1, 2], [1, 3]))
    return reduced(b, b.source.choice(("ReduceMean", "ReduceMean", "ReduceMax")), x, axes)


def _one_each(b: Network, x: str) -> str:
    """Return one number a channel."""
    if b.chance(0.5):
        return b.node("GlobalAveragePool", [x], (b.shape[x][0], 1, 1))
    return reduced(b, "ReduceMean", x, [2, 3])


def _to_gate(b: Network, x: str) -> str:
    match b.source.choice(("Sigmoid", "HardSigmoid", "clip", "any")):
        case "clip":
            y = b.same("Clip", b.same("Add", x, 3.0), 0.0, 6.0)
            return b.same("Div", y, 6.0)
        case "any":
            return function(b, x)
        case op:
            return b.same(op, x)


def gate(b: Network, x: str) -> str:
    """Return a map times its own gate: squeeze-and-excite, or one gate a position or row."""
    channels, height, width = b.shape[x]
    form = b.source.choice(("channel", "channel", "place", "row", "column"))
    if form == "channel":
        y = _one_each(b, x)
        if b.chance(0.7):
            y = quantizer(b, y) if b.chance(0.5) else y
            y = activation(b, _pointwise(b, y, b.source.choice((1, 2))))
        y = quantizer(b, y) if b.chance(0.5) else y
        y = _pointwise(b, y, channels)
    elif form == "place":
        y = _pointwise(b, quantizer(b, x) if b.chance(0.5) else x, 1)
    else:
        y = reduced(b, "ReduceMean", x, [3 if form == "row" else 2])
    pair = [x, _to_gate(b, y)]
    b.source.shuffle(pair)
    return b.node("Mul", pair, (channels, height, width))


def _pointwise(b: Network, x: str, out: int) -> str:
    """Add a 1x1 convolution with real weights or those on a grid."""
    channels, *size = b.shape[x]
    codes = b.rng.integers(-3, 4, (out, channels, 1, 1)) * b.uniform(0.1, 0.5, (out, 1, 1, 1))
    real = b.rng.normal(0, 0.5, (out, channels, 1, 1))
    return b.node("Conv", [x, b.array(codes if b.chance(0.6) else real)], (out, *size))


def pair(b: Network, x: str) -> str:
    """Return the product, sum, difference, maximum or minimum of two tensors of one shape."""
    channels = b.shape[x][0]
    first = quantizer(b, x) if b.chance(0.6) else x
    one = affine(b, _pointwise(b, first, channels))
    match b.source.choice(("layer", "same", "function")):
        case "layer":
            other = _pointwise(b, first if b.chance(0.5) else x, channels)
        case "same":
            other = x
        case _:
            other = operator(b, x)
    operands = [one, other]
    b.source.shuffle(operands)
    return b.same(
        b.source.choice(("Mul", "Mul", "Add", "Sub", "Max", "Min", "Max", "Min")), *operands
    )


def dense(b: Network, x: str) -> str:
    """Return several maps of the same size joined, as DenseNet and the ends of YOLO's necks do."""
    parts, y = [x], x
    for _ in range(b.source.choice((1, 2))):
        y = _pointwise(b, quantizer(b, y) if b.chance(0.7) else y, b.source.choice((1, 2)))
        y = activation(b, affine(b, y))
        parts.append(y)
    if b.chance(0.3) and min(b.shape[x][1:]) >= 3:
        window = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4}
        parts.append(b.node("MaxPool", [y], b.shape[y], **window))
    b.source.shuffle(parts)
    shape = (sum(b.shape[p][0] for p in parts), *b.shape[x][1:])
    return b.node("Concat", parts, shape, axis=1)


def u_net(b: Network, x: str) -> str:
    """Return a map joined with what comes back from half its size."""
    _, height, width = b.shape[x]
    if height % 2 or width % 2:
        return pool(b, x)
    half = {"kernel_shape": [2, 2], "strides": [2, 2]}
    y = b.node("MaxPool", [x], (b.shape[x][0], height // 2, width // 2), **half)
    y = activation(b, affine(b, _pointwise(b, quantizer(b, y), 2)))
    mode = {"mode": "nearest", "nearest_mode": "floor"}
    mode["coordinate_transformation_mode"] = "asymmetric"
    y = b.node("Resize", [y, "", b.array([1, 1, 2, 2])], (2, height, width), **mode)
    return b.node("Concat", [x, y], (b.shape[x][0] + 2, height, width), axis=1)
