"""Intervals that the real-valued tensors cannot leave, channel by channel."""

from __future__ import annotations

import numpy as np

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..program import Op, Program
from ..program.ops import Conv
from ..program.ops.real import (
    Affine,
    Interval,
    RealAvgPool,
    RealClip,
    RealFlatten,
    RealFunction,
    RealMaxPool,
    RealMultiply,
    RealOp,
    RealRearrange,
    floats,
)
from ..program.types import IntType

_FARTHEST = 1e150  # far beyond the exported float32, and float64 can still square it
_SLACK = 2.0**-40  # more than the rounding errors of this analysis, which works in float64
_EXACT_AT_ZERO = (
    RealAvgPool, RealClip, RealFlatten, RealFunction, RealMaxPool, RealMultiply, RealRearrange
)  # fmt: skip
"""Operations whose results are not below 0 where their intervals are not: no sum of two signs."""


def _widened(x: Interval) -> Interval:
    """Return an interval with a margin; ends beyond float64 are infinite."""
    margin = _SLACK * x.most
    lo, hi = x.lo - margin, x.hi + margin
    if not np.isfinite(margin).all():
        lo = np.nan_to_num(lo, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        hi = np.nan_to_num(hi, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    return Interval(lo, hi)


def _on_its_side_of_zero(op: RealOp, x: Interval, exact: Interval, wide: Interval) -> Interval:
    """Return a widened interval without what lies beyond 0, where no sum of two signs is rounded.

    Args:
        op: what makes the tensor.
        x: the interval of its first input.
        exact: the interval before it was widened.
        wide: and after.
    """
    if isinstance(op, _EXACT_AT_ZERO):
        return Interval(
            np.where(exact.lo >= 0, np.maximum(wide.lo, 0.0), wide.lo),
            np.where(exact.hi <= 0, np.minimum(wide.hi, 0.0), wide.hi),
        )
    if isinstance(op, Affine):
        slope, offset = floats(op.slope), floats(op.offset)
        rising = (x.lo >= 0) & (slope >= 0) & (offset >= 0)
        return Interval(
            np.where(rising, np.maximum(wide.lo, offset * (1 - _SLACK)), wide.lo), wide.hi
        )
    return wide


@np.errstate(over="ignore", invalid="ignore")
def real_ranges(program: Program, input_range: tuple[float, float]) -> dict[str, Interval]:
    """Return the interval of every tensor by name, in real units (worst-case interval arithmetic).

    Ends beyond float64 are infinite.

    Args:
        program: real dialect, in channels-last order.
        input_range: least and greatest real input.
    """
    ranges: dict[str, Interval] = {}
    for name in program.inputs:
        tensor_type = program.types[name]
        ends = input_range
        if isinstance(tensor_type, IntType):
            least, most = tensor_type.real_ends
            ends = float(least), float(most)
        ranges[name] = Interval(*(np.full(tensor_type.shape[2], end) for end in ends))
    for op in program.ops:
        tensor_type = program.types[op.output]
        if isinstance(tensor_type, IntType):
            lo, hi = (
                np.full(tensor_type.shape[2], float(v)) for v in (tensor_type.lo, tensor_type.hi)
            )
            if isinstance(op, Conv):
                x = program.int_type(op.inputs[0])
                lo, hi = (r.astype(float) for r in op.channel_ranges(x, program.constants))
            scale = float(tensor_type.scale or 1)
            interval = Interval(
                np.minimum(lo * scale, hi * scale), np.maximum(lo * scale, hi * scale)
            )
            ranges[op.output] = _widened(interval)
        else:
            assert isinstance(op, RealOp)
            inputs = [ranges[i] for i in op.inputs]
            interval = op.ranges(inputs, program.types, program.constants)
            ranges[op.output] = _on_its_side_of_zero(op, inputs[0], interval, _widened(interval))
    return ranges


def require_bounded(name: str, ends: Interval, op: Op | None) -> None:
    """Refuse a tensor that may grow beyond every format.

    Args:
        name: the tensor's.
        ends: its range.
        op: what makes it; None for the input.

    Raises:
        CompileError: naming its nodes.
    """
    if float(ends.most.max()) < _FARTHEST:
        return
    if isinstance(op, RealFunction):
        raise CompileError(
            Problem(
                node=", ".join(op.origin),
                op=op.mnemonic,
                found=f"values of {op.expression} that have no bound, or may pass {_FARTHEST:.0e}, "
                "for inputs within the range",
                supported="powers of what is small; roots, logarithms and quotients of what stays "
                "away from 0",
                hint="clamp what it is taken of, add a constant that is no tiny part of it, give "
                "images by --calib, or narrow --input-range",
            )
        )
    raise CompileError(
        Problem(
            node=", ".join(op.origin) if op is not None else name,
            op=op.mnemonic if op is not None else "input",
            found=f"values that may pass {_FARTHEST:.0e} for inputs within the range",
            supported="tensors whose range, by the actual weights, stays below that",
            hint="give images by --calib, check the weights, or narrow --input-range",
        )
    )
