"""Constant weights that are odd multiples of one step per channel: recovery of codes and steps.

Exporters and optimizers may fold the weight quantizer, so that only float32 weights are left, which
differ from the exact grid by rounding noise. N2UQ's levels are s·clip·(2k - n)/(2n), odd integers
times a step (Liu et al., CVPR 2022, section 3.3). Folding a BatchNorm only changes the step, to 0
if its gamma is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..opset import Weight, constant, is_op, make_weight
from ..precision import SINGLE
from .integer_grid import integer_grid, integers
from .pattern import NOTE, Context, Pattern
from .queries import Array, is_standard, shape_of
from .weight_levels import weight_levels

MAX_BITS = 4
NOISE = 2e-4  # of the step; folding in float32 makes smaller errors unless weights are tiny
_HALF_NOISE = 0.25  # steps; (q - s) + s in half precision, codes being 2 steps apart
_MOVES = ("MaxPool", "Flatten", "Reshape")
_MAPS = ("Add", "Sub", "Mul", "Div")
_FOLDED = 2.0**-19  # of the largest weight: what folding leaves where equal levels are equal
_LUCK = 1e-9  # probability below which a grid within noise is no coincidence


@dataclass(frozen=True)
class _Channel:
    """A channel as codes * step, with the largest error `residue` in units of the step."""

    codes: Array
    step: float
    residue: float


def _fit(weights: Array, bits: int) -> _Channel:
    """Return the best grid whose largest code needs exactly `bits` bits; `weights` float64,
    none 0.
    """
    best: _Channel | None = None
    largest = float(np.abs(weights).max())
    for top in range(2 ** (bits - 1) + 1 if bits > 1 else 1, 2**bits, 2):
        codes = _nearest_odd(weights * (top / largest))
        step = float(weights @ codes) / float(codes @ codes)
        if step <= 0:
            continue
        residue = float(np.abs(weights / step - codes).max())
        if best is None or residue < best.residue:
            best = _Channel(codes, step, residue)
    assert best is not None  # codes with the signs of the weights always give a positive step
    return best


def _nearest_odd(x: Array) -> Array:
    return 2 * np.floor(x / 2) + 1


def _exact_step(channel: _Channel, weights: Array) -> float:
    """Return a step whose multiples round exactly to the float32 weights, if there is one.

    For each weight the steps that round to it form an interval; the result is in their
    intersection.
    """
    single, codes = np.abs(weights).astype(np.float32), np.abs(channel.codes)
    below = (single + np.nextafter(single, np.float32(0)).astype(np.float64)) / 2 / codes
    above = (single + np.nextafter(single, np.float32(np.inf)).astype(np.float64)) / 2 / codes
    for step in (*np.unique(single / codes), (below.max() + above.min()) / 2):
        if np.array_equal((codes * step).astype(np.float32), single):
            return float(step)
    return channel.step


def recover(weights: Array, roundoff: float = SINGLE) -> Weight | str:
    """Recover codes and steps of float32 weights.

    Args:
        weights: float32 [O,I,kh,kw], finite.
        roundoff: relative error of the arithmetic that quantized them.

    Returns:
        Codes with the fewest bits (1 to 4) that describe every channel within the noise, divisor 1;
        or the reason why there are none.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    silent = (flat == 0).all(axis=1)
    if silent.all():
        return "all weights are 0"
    if (zeros := np.argwhere((flat == 0) & ~silent[:, None])).size:
        return f"output channel {zeros[0][0]} holds a weight of 0, which no odd multiple gives"
    noise = NOISE if roundoff <= SINGLE else _HALF_NOISE
    channels = []
    for index, row in enumerate(flat):
        if silent[index]:
            channels.append(_Channel(np.ones_like(row), 0.0, 0.0))
            continue
        best = _fit(row, 1)
        for bits in range(2, MAX_BITS + 1):
            if best.residue > NOISE:
                best = min(best, _fit(row, bits), key=lambda fit: fit.residue)
        if best.residue > noise:
            off = f"{best.residue:.2g} steps off every grid of 1 to 4 bits"
            return f"output channel {index} is {off}"
        channels.append(best)
    steps = np.array([_exact_step(c, row) for c, row in zip(channels, flat, strict=True)])
    codes = np.stack([c.codes for c in channels]).reshape(weights.shape)
    exact = np.array_equal(
        (codes * steps.reshape(-1, *[1] * (codes.ndim - 1))).astype(np.float32), weights
    )
    if not exact and _coincidence(int((~silent).sum()), flat.shape[1], noise) > _LUCK:
        return "too few weights to tell a grid from coincidence, and no grid gives them exactly"
    bits = int(np.abs(codes).max()).bit_length()
    return Weight(codes.astype(np.int8), steps, 1, bits)


def _coincidence(channels: int, weights: int, noise: float) -> float:
    """Return the probability that random weights are near one of 8 grids of any step."""
    return float(min(1.0, 8 * noise ** (weights - 1)) ** channels)


def _recognize(node: ir.Node, context: Context) -> None:
    data, weight = node.inputs[0], node.inputs[1]
    if weight is None or not _is_quantized(data):
        return
    weights = context.constants.array(weight)
    if weights is None or weights.dtype != np.float32 or len(shape_of(weight)) < 2:
        return
    if not np.isfinite(weights).all():
        return  # refused where they were folded
    weight_or_reason = _quantized(weights, context.roundoff)
    if isinstance(weight_or_reason, str):
        if NOTE not in node.metadata_props:  # the note of another pattern is kept
            context.note(node, f"weights stay float: {weight_or_reason}")
        return
    quantized = context.insert(
        node, make_weight(context.graph, weight_or_reason, f"{node.name}.weight")
    )
    shared = len(weight.uses()) > 1  # the last reader takes the name
    quantized.name = (
        f"{node.outputs[0].name}.{weight.name}.quantized"
        if shared
        else (f"{weight.name}.quantized")
    )
    node.replace_input_with(1, quantized)


def find_codes(data: ir.Value | None, weights: Array, context: Context) -> Weight | None:
    """Return the codes of weights [O, ...] that are multiplied by quantizer codes; None where
    there are none, or no codes are multiplied.
    """
    if not _is_quantized(data) or weights.dtype != np.float32 or not np.isfinite(weights).all():
        return None
    weight = _quantized(weights, context.roundoff)
    return None if isinstance(weight, str) else weight


def _quantized(weights: Array, roundoff: float) -> Weight | str:
    """Codes on a grid, or on uneven levels where those are nearer; or why there are none."""
    weight = recover(weights, roundoff)
    if isinstance(weight, str):
        weight = integers(weights) or integer_grid(weights) or weight
    if roundoff > SINGLE or (isinstance(weight, Weight) and _off(weight, weights) <= _FOLDED):
        return weight
    return weight_levels(weights) or weight


def _off(weight: Weight, weights: Array) -> float:
    """How far weights lie from a grid, relative to the largest of their channel."""
    most = np.abs(weights).reshape(len(weights), -1).max(axis=1).astype(np.float64)
    off = np.abs(weight.values() - weights).reshape(len(weights), -1).max(axis=1)
    return float((off / np.where(most > 0, most, 1.0)).max())


def _is_quantized(value: ir.Value | None) -> bool:
    """Return whether a value is quantizer codes, possibly moved, scaled or offset."""
    node = value.producer() if value is not None else None
    while node is not None and (is_standard(node, *_MOVES, *_MAPS) or is_op(node, "Rearrange")):
        inner = node.inputs[0]
        if is_standard(node, *_MAPS):
            tensors = [v for v in node.inputs if constant(v) is None]
            if len(tensors) != 1 or (node.op_type == "Div" and tensors[0] is not inner):
                return False
            inner = tensors[0]
        node = inner.producer() if inner is not None else None
    if node is not None and is_standard(node, "Concat"):
        return all(_is_quantized(v) for v in node.inputs)
    return is_op(node, "Threshold") or is_op(node, "Codebook")


WEIGHT_GRID = Pattern("weight grid", frozenset({"Conv"}), _recognize)
MATRIX_GRID = Pattern("weight grid of a matrix", frozenset({"Gemm"}), _recognize)
"""Applied after the patterns that bring a matrix to [O,I]."""
