"""Linear and cubic resizing as convolutions with constant weights.

Each result is a mean of the input's positions around it, axis by axis.  Where the factors are whole
numbers and corners are not aligned, results of the same remainder have the same weights: an
ordinary convolution by channel, as many as there are remainders.  Elsewhere the weights differ by
position, and an axis becomes the channels of a 1x1 convolution.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import initializer, make_rearrange
from .movement import Trial, resize_scales, source_positions
from .pattern import Context, Pattern, Refused
from .queries import Array, shape_of

_MOST_PHASES = 64
_MOST_WEIGHTS = 2**25  # of an axis, each position with each


def _resize(node: ir.Node, context: Context) -> None:
    mode = node.attributes.get_string("mode", "nearest")
    if mode == "nearest" or context.constants.known(node.inputs[0]):
        return
    antialias = node.attributes.get("antialias")
    if mode not in ("linear", "cubic") or (antialias is not None and antialias.as_int()):
        smoothed = " with antialias" if antialias is not None and antialias.as_int() else ""
        raise Refused(f"mode {mode}{smoothed}", "nearest, linear or cubic, without antialias")
    data, before, after = node.inputs[0], shape_of(node.inputs[0]), shape_of(node.outputs[0])
    assert data is not None
    if len(before) not in (3, 4) or before[:2] != after[:2]:
        raise Refused(f"resizes {before} to {after}", "height and width, or length")
    scales = resize_scales(node, Trial(context))
    axes = [k for k in range(2, len(before)) if scales[k] != 1 or before[k] != after[k]]
    for axis in axes:
        if before[axis] * after[axis] > _MOST_WEIGHTS:
            found = f"{before[axis]} positions resized to {after[axis]}"
            raise Refused(found, f"at most {_MOST_WEIGHTS} pairs of positions (4096 to 8192)")
    weights = {
        axis: _matrix(
            node,
            source_positions(node, axis, scales[axis], before[axis], after[axis]),
            before[axis],
        )
        for axis in axes
    }
    reach = 1 if mode == "linear" else 2
    phases = {axis: _phases(weights[axis], before[axis], after[axis], reach) for axis in axes}
    sizes = [after[axis] // before[axis] for axis in axes]
    if all(p is not None for p in phases.values()) and np.prod(sizes) <= _MOST_PHASES:
        result = _by_phases(node, data, {a: p for a, p in phases.items() if p is not None}, context)
    else:
        result = data
        for axis in axes:
            result = _by_position(node, result, axis, weights[axis], context)
    context.replace(node.outputs[0], result)


def _matrix(node: ir.Node, positions: list[Fraction], size: int) -> Array:
    """Return the weights of an axis, float64 (result, size); the edge is repeated, or left out."""
    cubic = node.attributes.get_string("mode", "nearest") == "cubic"
    bend = Fraction(node.attributes.get_float("cubic_coeff_a", -0.75))
    left_out = cubic and bool(node.attributes.get_int("exclude_outside", None))
    found = np.zeros((len(positions), size))
    for row, at in zip(found, positions, strict=True):
        below = at.numerator // at.denominator
        rest = at - below
        shares = {below: 1 - rest, below + 1: rest}
        if cubic:
            shares = {below + k: _cubic(abs(rest - k), bend) for k in (-1, 0, 1, 2)}
        if left_out:
            shares = {place: share for place, share in shares.items() if 0 <= place < size}
        total = sum(shares.values()) if left_out else Fraction(1)
        for place, share in shares.items():
            row[min(max(place, 0), size - 1)] += float(share / total)
    return found


def _cubic(far: Fraction, bend: Fraction) -> Fraction:
    """Return the weight at a distance: Keys, IEEE Trans. ASSP 29 (1981), equation 4."""
    if far <= 1:
        return ((bend + 2) * far - (bend + 3)) * far * far + 1
    return ((bend * far - 5 * bend) * far + 8 * bend) * far - 4 * bend


def _phases(weights: Array, before: int, after: int, reach: int) -> Array | None:
    """Return the weights (factor, 2·reach + 1) of the positions around each, which are the same
    for all results of a remainder; None if they are not.
    """
    factor = after // before
    if factor * before != after:
        return None
    width = 2 * reach + 1
    if before < width:
        return None
    wide = np.zeros((after, before + 2 * reach))
    wide[:, reach:-reach] = weights
    # What was clamped to the edge belongs to the rows or columns repeated beyond it.
    found = np.zeros((factor, width))
    middle = before // 2
    for rest in range(factor):
        found[rest] = wide[middle * factor + rest, middle : middle + width]
    again = np.zeros_like(weights)
    for x in range(after):
        for k, share in enumerate(found[x % factor]):
            again[x, min(max(x // factor + k - reach, 0), before - 1)] += share
    return found if np.allclose(again, weights, atol=1e-15, rtol=0) else None


def _by_phases(
    node: ir.Node, data: ir.Value, phases: dict[int, Array], context: Context
) -> ir.Value:
    shape, name = shape_of(data), str(node.name)
    rank, channels = len(shape), shape[1]
    pads = np.zeros(2 * rank, np.int64)
    lines = [phases.get(axis, np.ones((1, 1))) for axis in range(2, rank)]
    for axis in phases:
        pads[axis] = pads[rank + axis] = phases[axis].shape[1] // 2
    given = initializer(context.graph, f"{name}.pads", pads)
    given.dtype, given.shape = ir.DataType.INT64, ir.Shape(pads.shape)
    pad = ir.node("Pad", [data, given], {"mode": "edge"}, name=f"{name}.edge")
    pad.outputs[0].shape = ir.Shape(
        [n + int(p + q) for n, p, q in zip(shape, pads[:rank], pads[rank:], strict=True)]
    )
    pad.outputs[0].name = f"{name}.edge_out"
    padded = context.insert(node, pad)
    kernel = lines[0]
    if len(lines) == 2:
        kernel = np.einsum("ik,jl->ijkl", *lines).reshape(-1, lines[0].shape[1], lines[1].shape[1])
    count = len(kernel)
    weights = np.tile(kernel.astype(np.float32), (channels, *[1] * (rank - 2)))[:, None]
    conv = _conv(node, padded, weights, channels, shape, "phases", context)
    # channel c, phase (i, j): c * count + i * columns + j
    deep = channels * count
    factors = ([1] * (4 - rank)) + [len(line) for line in lines]
    size = ([1] * (4 - rank)) + list(shape[2:])
    rows = np.arange(size[0] * factors[0])
    columns = np.arange(size[1] * factors[1])
    tables = (
        rows // factors[0] * size[1] * deep + rows % factors[0] * factors[1],
        columns // factors[1] * deep + columns % factors[1],
        np.arange(channels) * count,
    )
    made = make_rearrange(context.graph, conv, tables, shape_of(node.outputs[0]), name)
    return context.insert(node, made)


def _by_position(
    node: ir.Node, data: ir.Value, axis: int, weights: Array, context: Context
) -> ir.Value:
    shape = shape_of(data)
    perm = list(range(len(shape)))
    perm[1], perm[axis] = axis, 1
    label = f"axis{axis}"

    first = context.transpose(node, data, perm, f"{node.name}.{label}.before")
    kernel = weights.astype(np.float32).reshape(*weights.shape, *[1] * (len(shape) - 2))
    conv = _conv(node, first, kernel, 1, shape_of(first), label, context)
    return context.transpose(node, conv, perm, f"{node.name}.{label}.after")


def _conv(
    node: ir.Node,
    x: ir.Value,
    weights: Array,
    groups: int,
    shape: tuple[int, ...],
    label: str,
    context: Context,
) -> ir.Value:
    """Emit a convolution without padding whose result has the positions of ``shape``."""
    kernel = initializer(context.graph, f"{node.name}.{label}.weight", weights)
    kernel.dtype, kernel.shape = ir.DataType.FLOAT, ir.Shape(weights.shape)
    conv = ir.node("Conv", [x, kernel], {"group": groups}, name=f"{node.name}.{label}")
    conv.outputs[0].shape = ir.Shape([shape[0], len(weights), *shape[2:]])
    conv.outputs[0].name = f"{node.name}.{label}_out"
    return context.insert(node, conv)


RESIZE = Pattern("linear or cubic resizing", frozenset({"Resize"}), _resize)
