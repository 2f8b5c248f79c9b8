"""N2UQ's weight quantizer before a convolution, recognized by its structure.

    q = s * (round((w̄ + h) * m) / m - h),   h = clip/2,  m = (2^b - 1)/clip

N2UQ, Liu et al., CVPR 2022, section 3.3. With k = round(…) in 0..n, n = 2^b - 1, the level is
s·clip·(2k - n)/(2n): the codes 2k - n are odd integers. k is computed with the graph's float32
arithmetic, so ties are rounded as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..opset import Weight, make_weight
from .pattern import Context, Pattern, Refused
from .queries import Array, is_standard, only_reader, operands, producer

MAX_BITS = 7  # codes are int8
_NOISE = 1e-3  # of the distance between two levels


@dataclass(frozen=True)
class _Match:
    """The values of one weight quantizer: `q = scale * (k / per_unit - half)`."""

    k: ir.Value
    scale: ir.Value
    half: np.generic
    per_unit: np.generic
    output: ir.Node


def _match(rounding: ir.Node, context: Context) -> _Match | None:
    """Match the nodes before and after a Round; None if they are no weight quantizer."""
    scalar = context.constants.scalar
    before = producer(rounding.inputs[0], "Mul")
    division = only_reader(rounding.outputs[0], "Div")
    if before is None or division is None:
        return None
    difference = only_reader(division.outputs[0], "Sub")
    if difference is None:
        return None
    product = only_reader(difference.outputs[0], "Mul")
    if product is None:
        return None
    if (division.inputs[0], difference.inputs[0]) != (rounding.outputs[0], division.outputs[0]):
        return None
    per_unit, half = scalar(division.inputs[1]), scalar(difference.inputs[1])
    if per_unit is None or half is None:
        return None
    shifted = [(producer(a, "Add"), scalar(m)) for a, m in operands(before) if producer(a, "Add")]
    if not any(
        m == per_unit and any(scalar(h) == half for _, h in operands(inner))
        for inner, m in shifted
        if inner is not None
    ):
        return None
    scales = [s for s, x in operands(product) if x is difference.outputs[0]]
    return _Match(rounding.outputs[0], scales[0], half, per_unit, product)


def _steps(match: _Match) -> int:
    """Compute n = 2^b - 1 from the graph's constants m = n/clip and h = clip/2."""
    product = float(match.per_unit) * 2 * float(match.half)
    n = round(product) if np.isfinite(product) else 0
    if abs(product - n) > 1e-5 * max(n, 1) or n < 1 or n & (n + 1):
        raise Refused(
            f"a weight quantizer of {product:.6g} steps over its clip range",
            "2^b - 1 steps",
            fatal=True,
        )
    return n


def _recognize(rounding: ir.Node, context: Context) -> None:
    if not context.constants.known(rounding.outputs[0]):
        return
    match = _match(rounding, context)
    if match is None:
        return
    quantized = match.output.outputs[0]
    if _feeds_transposed(quantized, context):
        return  # its channels are on another axis: recognized once it is an ordinary convolution
    n = _steps(match)
    if n >= 2**MAX_BITS:
        return  # 8 bits or more, as in first and last layers: folded to float weights
    k, scale, folded = context.constants.arrays([match.k, match.scale, quantized])
    turned = k.ndim == 2 and scale.ndim == 2 and scale.shape[0] == 1 < scale.shape[1]
    if turned:  # weights [I,O] of a matrix product
        k, scale, folded = k.T, scale.T, folded.T
    scale = _channel_scale(scale, k)
    alive = np.isfinite(k).reshape(len(k), -1).all(axis=1) & np.isfinite(scale) & (scale != 0)
    dead = np.flatnonzero(~alive)
    if dead.size:
        kind = "all zero" if (scale[dead] == 0).all() else "not finite"
        raise Refused(
            f"the filters of output channels {_listed(dead)} are {kind}: "
            "their scale, the mean of |w|, cannot divide",
            "filters with a weight other than 0",
            "remove these channels, or restore their weights and train again",
            fatal=True,
        )
    if k.min() < 0 or k.max() > n:
        raise Refused(f"levels {k.min():g} to {k.max():g}", f"0 to {n}", fatal=True)
    codes = (2 * k.astype(np.int64) - n).astype(np.int8)
    step = scale.astype(np.float64) * (2 * float(match.half))
    if (step < 0).any():
        codes[step < 0] *= -1
        step = np.abs(step)
    params = Weight(codes, step, 2 * n, n.bit_length())
    _check(folded, params)
    made = make_weight(context.graph, params, str(match.output.name))
    weight = context.insert(match.output, made)
    if turned:
        back = ir.node("Transpose", [weight], {"perm": [1, 0]}, name=f"{match.output.name}.turned")
        back.outputs[0].shape = ir.Shape(k.T.shape)
        weight = context.insert(match.output, back)
    context.replace(quantized, weight)
    context.constants.ask_again()


def _feeds_transposed(value: ir.Value, context: Context) -> bool:
    """Return whether constants computed from a value are weights of a transposed convolution."""
    values, seen = [value], set[ir.Value]()
    while values:
        top = values.pop()
        for use in top.uses():
            if is_standard(use.node, "ConvTranspose") and use.idx == 1:
                return True
            after = [o for o in use.node.outputs if o not in seen and context.constants.known(o)]
            seen.update(after)
            values += after
    return False


def _channel_scale(scale: Array, k: Array) -> Array:
    """Return the scale as float32 [O], from (O,1,1,1) or a scalar."""
    if (
        k.ndim == 0
        or scale.size not in (1, len(k))
        or (scale.size > 1 and scale.shape[:1] != k.shape[:1])
    ):
        found = f"a weight scale of shape {scale.shape}"
        raise Refused(found, "one scale for each output channel", fatal=True)
    return np.broadcast_to(scale.reshape(-1), len(k))


def _check(folded: Array, params: Weight) -> None:
    """Check that the float32 weights are the levels, within rounding noise."""
    spacing = 2 * params.step / params.divisor
    off = np.abs(folded - params.values()) / spacing.reshape(-1, *[1] * (folded.ndim - 1))
    if not off.max() <= _NOISE:
        channel = int(np.unravel_index(np.argmax(off), off.shape)[0])
        raise Refused(
            f"weights {off.max():.3g} of a level off their grid in output channel {channel}",
            f"at most {_NOISE:g}",
            fatal=True,
        )


def _listed(channels: Array) -> str:
    names = ", ".join(map(str, channels[:8]))
    return names if channels.size <= 8 else f"{names}, … ({channels.size} in all)"


WEIGHT_QUANTIZER = Pattern("N2UQ weight quantizer", frozenset({"Round"}), _recognize)
