"""Operators that only move elements: each takes a map and returns one."""

from __future__ import annotations

import numpy as np

from .functions import operator
from .graph_builder import Network
from .layers import affine, quantizer


def _split(b: Network, x: str) -> str:
    """Add a Split of the channels or rows; parts are dropped, swapped, or meet again."""
    axis = b.source.choice((1, 1, 2, 3))
    shape = list(b.shape[x])
    size = shape[axis - 1]
    if size < 2:
        return _slice(b, x)
    cut = size // 2 if size % 2 == 0 else b.source.randrange(1, size)
    shapes = [(*shape[: axis - 1], n, *shape[axis:]) for n in (cut, size - cut)]
    if b.opset >= 18 and 2 * cut == size and b.chance(0.5):
        parts = b.several("Split", [x], shapes, axis=axis, num_outputs=2)
    else:
        parts = b.several("Split", [x, b.sizes(cut, size - cut)], shapes, axis=axis)
    if 2 * cut == size and b.chance(0.4):
        return b.same(b.source.choice(("Add", "Mul", "Max", "Sub")), *parts)
    if b.chance(0.3):
        return parts[b.source.randrange(2)]
    first = operator(b, parts[0]) if b.chance(0.4) else parts[0]
    return b.node("Concat", [parts[1], first], b.shape[x], axis=axis)


def _slice(b: Network, x: str) -> str:
    """Add a Slice of one or two axes with steps of either sign."""
    shape = list(b.shape[x])
    axes = sorted(b.source.sample((1, 2, 3), b.source.choice((1, 2))))
    starts, ends, steps = [], [], []
    for axis in axes:
        size = shape[axis - 1]
        step = b.source.choice((1, 1, 2, -1, -2, 3))
        first = b.source.randrange(min(size, 2))
        start, end = (first, 2**31 - 1) if step > 0 else (size - 1 - first, -(2**31) + 1)
        if step == 1 and size - first > 1 and b.chance(0.5):
            end = -1
        starts.append(start)
        ends.append(end)
        steps.append(step)
        shape[axis - 1] = len(range(size)[start : end if step > 0 else None : step])
    numbers = [b.sizes(*row) for row in (starts, ends, axes, steps)]
    return b.node("Slice", [x, *numbers], tuple(shape))


def _gather(b: Network, x: str) -> str:
    axis = b.source.choice((1, 1, 2, 3))
    shape = list(b.shape[x])
    size = shape[axis - 1]
    count = b.source.choice((1, size, size, size + 1))
    indices = b.rng.integers(-size, size, count)
    shape[axis - 1] = count
    return b.node("Gather", [x, b.sizes(*indices)], tuple(shape), axis=axis)


def _concat(b: Network, x: str) -> str:
    """Add a join along any axis, with itself, a function of it, or the codes of it."""
    axis = b.source.choice((1, 2, 3))
    other = b.source.choice((operator, quantizer, affine, lambda _, y: y))(b, x)
    parts = [x, other] + [x] * b.source.choice((0, 0, 1))
    b.source.shuffle(parts)
    shape = list(b.shape[x])
    shape[axis - 1] *= len(parts)
    written = axis if b.chance(0.6) else axis - 4
    return b.node("Concat", parts, tuple(shape), axis=written)


def _shuffle(b: Network, x: str) -> str:
    """Add ShuffleNet's shuffle of the channels."""
    channels, height, width = b.shape[x]
    groups = next((g for g in (2, 3) if channels % g == 0), 1)
    five = (groups, channels // groups, height, width)
    y = b.node("Reshape", [x, b.sizes(0, *five)], five)
    y = b.node("Transpose", [y], (five[1], five[0], *five[2:]), perm=[0, 2, 1, 3, 4])
    return b.node("Reshape", [y, b.sizes(0, -1, height, width)], b.shape[x])


def _depth_to_space(b: Network, x: str) -> str:
    channels, height, width = b.shape[x]
    if channels % 4:
        weight = b.array(b.rng.normal(0, 0.5, (4, channels, 1, 1)))
        x, channels = b.node("Conv", [quantizer(b, x), weight], (4, height, width)), 4
    fields = {"blocksize": 2, "mode": b.source.choice(("DCR", "CRD"))}
    return b.node("DepthToSpace", [x], (channels // 4, 2 * height, 2 * width), **fields)


def _space_to_depth(b: Network, x: str) -> str:
    channels, height, width = b.shape[x]
    if height % 2 or width % 2:
        return _pad(b, x)
    return b.node("SpaceToDepth", [x], (4 * channels, height // 2, width // 2), blocksize=2)


def _pad(b: Network, x: str) -> str:
    """Add zeros, edges or reflections around a map, or cut its sides off."""
    channels, height, width = b.shape[x]
    mode = b.source.choice(("constant", "constant", "edge", "reflect"))
    most = min(height, width) - 1 if mode == "reflect" else 2
    pads = [b.source.randint(0, max(0, min(most, 2))) for _ in range(4)]
    if mode == "constant" and min(height, width) > 2 and b.chance(0.3):
        pads[b.source.randrange(4)] = -1
    top, left, bottom, right = pads
    shape = (channels, height + top + bottom, width + left + right)
    return b.node("Pad", [x, b.sizes(0, 0, top, left, 0, 0, bottom, right)], shape, mode=mode)


def _tile(b: Network, x: str) -> str:
    times = b.source.choice(((1, 2, 1), (1, 1, 2), (2, 1, 1), (1, 2, 2)))
    shape = tuple(n * t for n, t in zip(b.shape[x], times, strict=True))
    return b.node("Tile", [x, b.sizes(1, *times)], shape)


def _expand(b: Network, x: str) -> str:
    """Add means spread over the map again."""
    channels, height, width = b.shape[x]
    y = b.node("GlobalAveragePool", [x], (channels, 1, 1))
    return b.node("Expand", [y, b.sizes(1, channels, height, width)], b.shape[x])


def _swap(b: Network, x: str) -> str:
    """Exchange axes of a map."""
    perm = b.source.choice(([0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 1, 3]))
    shape = tuple(b.shape[x][k - 1] for k in perm[1:])
    return b.node("Transpose", [x], shape, perm=perm)


def _tokens(b: Network, x: str) -> str:
    """Return a map as tokens, mixed over channels, or over positions, and a map again."""
    channels, height, width = b.shape[x]
    rows = height * width
    if rows > 36:
        return _swap(b, x)
    y = b.node("Reshape", [x, b.sizes(0, channels, -1)], (channels, rows))
    over_channels = b.chance(0.6)
    if over_channels:
        y = b.node("Transpose", [y], (rows, channels), perm=[0, 2, 1])
    y = quantizer(b, y) if b.chance(0.6) else y
    size = b.shape[y][-1]
    codes = b.rng.integers(-3, 4, (size, size)) * b.uniform(0.1, 0.4)
    y = b.node("MatMul", [y, b.array(codes)], b.shape[y])
    y = b.same("Add", y, b.uniform(-1, 1, size)) if b.chance(0.6) else y
    y = operator(b, y) if b.chance(0.5) else y
    if over_channels:
        y = b.node("Transpose", [y], (channels, rows), perm=[0, 2, 1])
    return b.node("Reshape", [y, b.sizes(0, channels, height, width)], (channels, height, width))


def _squeezed(b: Network, x: str) -> str:
    """Add an axis and take it away again."""
    shape = b.shape[x]
    axis = b.source.choice((1, 2, 4))
    more = (*shape[: axis - 1], 1, *shape[axis - 1 :])
    y = b.node("Unsqueeze", [x, b.sizes(axis)], more)
    return b.node("Squeeze", [y, b.sizes(axis)], shape)


_MOVEMENTS = (
    *(_split, _split, _slice, _slice, _gather, _concat, _concat, _shuffle, _depth_to_space),
    *(_space_to_depth, _pad, _tile, _expand, _swap, _tokens, _tokens, _squeezed),
)


def movement(b: Network, x: str) -> str:
    """Add a movement of elements."""
    y = b.source.choice(_MOVEMENTS)(b, x)
    assert all(n > 0 for n in b.shape[y]), np.array(b.shape[y])
    return y
