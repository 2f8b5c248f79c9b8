"""Uniform activation quantizers as canonical nodes: Threshold, then an offset, then channel scales.

The thresholds of a quantizer that rounds x/scale are the rounding boundaries times the scale, which
are exact in float64. Codes count from 0; after a quantizer whose lowest level is not 0 an `Add`
follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS, Threshold, initializer, make_threshold
from .pattern import Context, Refused
from .queries import Array

KIND = "n2uq.kind"
"""Key of a Threshold's metadata_props; the value "uniform" marks thresholds of a rounding."""


_ONE = np.float32(1)


@dataclass(frozen=True, eq=False)
class Uniform:
    """value = step * (lowest + #{k : factor*x/scale beyond positions[k]}).

    Attributes:
        positions: float64 [K], [1,K] or [C,K], ascending.
        strict: bool [K] or [C,K], true if a tie gives the lower code.
        scale: float32 [1] or [C], positive.
        step: float32 [1] or [C], positive.
        lowest: value of code 0 in steps, for the tensor or each channel.
        factor: factor of x in the comparison.
    """

    positions: Array
    strict: Array
    scale: Array
    step: Array
    lowest: Fraction | tuple[Fraction, ...]
    factor: np.float32 = _ONE


def put_uniform(node: ir.Node, x: ir.Value, uniform: Uniform, context: Context) -> ir.Node:
    """Replace `node` by the quantizer and return its Threshold.

    Raises:
        Refused: scales that are not positive, no threshold, or more than 255.
    """
    positions = np.atleast_2d(uniform.positions)
    count = positions.shape[1]
    if not 1 <= count < 2**MAX_BITS:
        raise Refused(
            f"a quantizer of {count + 1} levels",
            f"2 to {2**MAX_BITS} levels: activations of 1 to {MAX_BITS} bits",
        )
    scale, step = _narrowed(uniform.scale), _narrowed(uniform.step)
    for name, values in (("scale", scale), ("output scale", step)):
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise Refused(f"a {name} of {values.min():g}", "positive, finite scales")
    thresholds = positions * scale.astype(np.float64)[:, None]
    strict = uniform.strict
    if strict.ndim == 2 and (strict == strict[0]).all():
        strict = strict[0]
    mixed = strict.any() and not strict.all()
    lowest = uniform.lowest if isinstance(uniform.lowest, tuple) else (uniform.lowest,)
    shared = len(step) == 1
    params = Threshold(
        thresholds,
        uniform.factor,
        float(step[0]) if shared else 1.0,
        1,
        bool(strict.flat[0]),
        count.bit_length(),
        strict if mixed else None,
    )
    quantizer = make_threshold(context.graph, x, params, str(node.name))
    quantizer.metadata_props[KIND] = "uniform"
    y = context.insert(node, quantizer)
    shape = (1, -1, *[1] * (len(x.shape) - 2 if x.shape is not None else 2))
    if len(set(lowest)) == 1:
        if lowest[0]:
            y = add_constant(node, y, lowest[0] * Fraction(params.step), context)
    else:
        offsets = np.array([float(low * Fraction(params.step)) for low in lowest]).reshape(shape)
        constant = initializer(context.graph, f"{node.name}.offset", offsets)
        y = _append(node, "Add", y, constant, "offset", context)
    if not shared:
        factor = initializer(context.graph, f"{node.name}.scale", step.reshape(shape))
        y = _append(node, "Mul", y, factor, "scaled", context)
    context.replace(node.outputs[0], y)
    return quantizer


def add_constant(node: ir.Node, y: ir.Value, offset: Fraction, context: Context) -> ir.Value:
    """Insert `y + offset`, exactly: the constant is float64 where float32 would round it.

    Raises:
        Refused: float64 cannot represent it either.
    """
    if abs(offset) > float(np.finfo(np.float32).max):
        raise Refused("an output offset beyond float32", "one of the network's own format")
    if Fraction(float(offset)) != offset:
        raise Refused(f"an output offset of {float(offset)!r}", "one that a float64 holds exactly")
    single = np.float32(float(offset))
    exact = Fraction(float(single)) == offset
    array = np.array(single if exact else float(offset))
    constant = initializer(context.graph, f"{node.name}.offset", array)
    return _append(node, "Add", y, constant, "offset", context)


def _append(
    node: ir.Node, op: str, y: ir.Value, constant: ir.Value, suffix: str, context: Context
) -> ir.Value:
    new = ir.node(op, [y, constant], name=f"{node.name}.{suffix}")
    new.outputs[0].name = f"{node.name}.{suffix}_out"
    new.outputs[0].shape = y.shape
    return context.insert(node, new)


def _narrowed(values: Array) -> Array:
    """Reduce equal values to one."""
    return values[:1] if (values == values[0]).all() else values
