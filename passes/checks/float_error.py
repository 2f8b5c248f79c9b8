"""Bounds, for each tensor, on the rounding error of evaluating the imported network in float64.

The running error analysis of numerical linear algebra (Higham, "Accuracy and Stability of Numerical
Algorithms", 2002, section 3.3), with the greatest magnitude of each channel over some samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..program.operation import Op
from ..program.ops.real import (
    Affine,
    Elementwise,
    Enclosure,
    EnclosureArithmetic,
    Quantize,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealLookup,
    RealMultiply,
    RealPRelu,
    RealRearrange,
    floats,
)
from ..program.program import Program

_CUTS = 256  # into which a range is cut where a function is bounded on it
_ULP = 2.0**-51  # four times the rounding error of one operation: parameters are rounded as well

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Reach:
    """Magnitude and error of each channel of a tensor over some samples, float64 (C,)."""

    most: Row
    error: Row

    @classmethod
    def of(cls, values: NDArray[np.float64], error: Row | None = None) -> Reach:
        """Measure values (N, H, W, C); the default error is that of rounding them once."""
        most = np.abs(values).max(axis=(0, 1, 2), initial=0.0)
        return cls(most, most * _ULP if error is None else error)


def steepness(op: Elementwise, most: Row) -> Row:
    """Return the greatest error of the result per unit of error in the input, (C,) or (1,).

    Not computed by the code that the passes use, so that the check is independent of them, but for
    functions that are not linear by pieces.

    Args:
        op: the operation.
        most: greatest magnitude of the input, (C,).
    """
    if isinstance(op, RealFunction):
        return _curve(op, most)[0]
    if isinstance(op, Affine):
        return np.abs(floats(op.slope))
    if isinstance(op, RealPRelu):
        return np.maximum(1.0, np.abs(floats(op.slope)))
    if isinstance(op, RealClip):
        return np.ones(1)
    raise TypeError(f"the checks know no {op.mnemonic}")


@np.errstate(all="ignore")
def _curve(op: RealFunction, most: Row) -> tuple[Row, Row]:
    """Return the steepest slope of a function up to a magnitude, and what float64 loses, (C,)."""
    cuts = np.linspace(-1.0, 1.0, _CUTS + 1)[:, None] * most
    rows = [Enclosure.fixed(floats(row), False) for row in op.parameters]
    parts = Enclosure.of(cuts[:-1], cuts[1:])
    slope = op.function.evaluate(EnclosureArithmetic(), parts, rows).slope
    points = op.function.evaluate(EnclosureArithmetic(), Enclosure.of(cuts, cuts), rows)
    assert slope is not None
    steep = np.maximum(np.abs(slope[0]), np.abs(slope[1])) + np.zeros_like(cuts[1:])
    width = points.hi - points.lo + np.zeros_like(cuts)
    return (
        np.where(np.isnan(steep), np.inf, steep).max(axis=0),
        2 * np.where(np.isfinite(width), width, np.inf).max(axis=0),
    )


@np.errstate(over="ignore", invalid="ignore")
def float_error(op: Op, program: Program, inputs: list[Reach]) -> Row:
    """Return a bound on |float64 result - real result| of a real operation, (C,).

    It is infinite where nothing is known, as where float64 overflows.
    """
    error = _float_error(op, program, inputs)
    return np.where(np.isnan(error), np.inf, error)


def _float_error(op: Op, program: Program, inputs: list[Reach]) -> Row:
    x = inputs[0]
    if isinstance(op, Affine):
        steep = steepness(op, x.most)
        return steep * x.error + _ULP * (steep * x.most + np.abs(floats(op.offset)))
    if isinstance(op, RealFunction):
        steep, lost = _curve(op, x.most + x.error)
        return steep * x.error + lost
    if isinstance(op, RealPRelu):
        steep = steepness(op, x.most)
        return steep * x.error + _ULP * steep * x.most
    if isinstance(op, RealClip):
        bounds = [abs(float(b)) for b in (op.lo, op.hi) if b is not None]
        return x.error + _ULP * max(bounds, default=0.0)
    if isinstance(op, RealMultiply):
        y = inputs[1]
        off = x.most * y.error + y.most * x.error + x.error * y.error
        return off + _ULP * x.most * y.most
    if isinstance(op, RealConcat):
        return np.concatenate([i.error for i in inputs])
    if isinstance(op, RealRearrange):
        return op.arrangement(program.constants).greatest(x.error)
    if isinstance(op, RealConv):
        return _convolved(op, program, x)
    if isinstance(op, RealAvgPool):
        return x.error + _ULP * float(np.prod(op.kernel)) * x.most
    if isinstance(op, RealFlatten):
        height, width, _ = program.types[op.inputs[0]].shape
        pixels = height * width
        return np.tile(x.error, pixels) if op.channels_last else np.repeat(x.error, pixels)
    if isinstance(op, RealLookup):
        most = float(np.abs(floats(op.levels)).max(initial=0.0))
        return np.full(x.error.shape, most * _ULP)
    rounded: Row = sum((_ULP * i.most for i in inputs), start=np.zeros_like(x.most))
    return sum((i.error for i in inputs), start=rounded)


def _convolved(op: RealConv, program: Program, x: Reach) -> Row:
    weight = np.abs(op.real_weight(program.constants))
    depth, per_group = weight.shape[3], len(weight) // op.groups
    taps = weight[0].size
    rows = weight.sum(axis=(1, 2))
    each = x.error + _ULP * (taps + 2) * x.most
    parts = [
        rows[g * per_group : (g + 1) * per_group] @ each[g * depth : (g + 1) * depth]
        for g in range(op.groups)
    ]
    return np.concatenate(parts)


@np.errstate(over="ignore")
def comparison_error(op: Quantize, reach: Reach) -> Row:
    """Bound the rounding of ``input_scale * x`` and of the thresholds, in units of x."""
    most = max(abs(float(t)) for row in op.thresholds for t in row)
    scale = max(abs(float(op.input_scale)), 1e-300)
    return _ULP * (reach.most + most / scale)
