"""Intervals that the real-valued tensors cannot leave, channel by channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..program import Op, Program
from ..program.ops import Conv
from ..program.ops.real import (
    Affine,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
    floats,
)
from ..program.types import IntType

Interval = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Least and greatest value of each channel, float64 (C,)."""

_FARTHEST = 1e150  # far beyond the exported float32, and float64 can still square it
_SLACK = 2.0**-40  # outgrows the rounding of this analysis, which works in float64


def _widened(lo: NDArray[np.float64], hi: NDArray[np.float64]) -> Interval:
    """Return an interval with a margin; ends beyond float64 are infinite."""
    margin = _SLACK * np.maximum(np.abs(lo), np.abs(hi))
    if np.isfinite(margin).all():
        return lo - margin, hi + margin
    return np.nan_to_num(lo - margin, nan=-np.inf, posinf=np.inf, neginf=-np.inf), np.nan_to_num(
        hi + margin, nan=np.inf, posinf=np.inf, neginf=-np.inf
    )


def convolve(op: RealConv, program: Program, x: Interval) -> Interval:
    """The range of a convolution by real weights; padding adds zeros."""
    weight = op.real_weight(program.constants)
    lo, hi = (np.minimum(x[0], 0.0), np.maximum(x[1], 0.0)) if any(op.pads) else x
    depth, per_group = weight.shape[3], weight.shape[0] // op.groups
    least, greatest = [], []
    for o, rows in enumerate(weight):
        part = slice((o // per_group) * depth, (o // per_group + 1) * depth)
        up, down = np.maximum(rows, 0).sum(axis=(0, 1)), np.minimum(rows, 0).sum(axis=(0, 1))
        least.append(up @ lo[part] + down @ hi[part])
        greatest.append(up @ hi[part] + down @ lo[part])
    return np.array(least), np.array(greatest)


def _transfer(op: Op, program: Program, inputs: list[Interval]) -> Interval:
    lo, hi = inputs[0]
    if isinstance(op, Affine):
        slope, offset = floats(op.slope), floats(op.offset)
        ends = np.stack([lo * slope + offset, hi * slope + offset])
        return ends.min(axis=0), ends.max(axis=0)
    if isinstance(op, RealPRelu):
        slope = floats(op.slope)
        bent = [np.where(v >= 0, v, v * slope) for v in (lo, hi)]
        crosses = np.where((lo < 0) & (hi > 0), 0.0, bent[0])
        ends = np.stack([*bent, crosses])
        return ends.min(axis=0), ends.max(axis=0)
    if isinstance(op, RealClip):
        low, high = (None if v is None else float(v) for v in (op.lo, op.hi))
        return np.clip(lo, low, high), np.clip(hi, low, high)
    if isinstance(op, RealAdd):
        return lo + inputs[1][0], hi + inputs[1][1]
    if isinstance(op, RealConcat):
        return tuple(np.concatenate(rows) for rows in zip(*inputs, strict=True))  # type: ignore
    if isinstance(op, RealConv):
        return convolve(op, program, inputs[0])
    if isinstance(op, RealMaxPool):
        return lo, hi
    if isinstance(op, RealAvgPool):
        zeros = any(op.pads if op.counted is None else op.counted)
        return (np.minimum(lo, 0), np.maximum(hi, 0)) if zeros else (lo, hi)
    if isinstance(op, RealFlatten):
        height, width, _ = program.types[op.inputs[0]].shape
        spread = np.tile if op.channels_last else np.repeat
        return spread(lo, height * width), spread(hi, height * width)
    raise TypeError(f"no range rule for {op.mnemonic}")


@np.errstate(over="ignore", invalid="ignore")
def real_ranges(program: Program, input_range: tuple[float, float]) -> dict[str, Interval]:
    """Interval of every tensor by name, in real units (interval arithmetic, worst case).

    Ends beyond float64 are infinite.

    Args:
        program: real dialect, in channels-last order.
        input_range: least and greatest real input.
    """
    kind = program.types[program.input]
    channels = kind.shape[2]
    ends = input_range
    if isinstance(kind, IntType):
        ends = float(kind.lo * (kind.scale or 1)), float(kind.hi * (kind.scale or 1))
    found = {program.input: (np.full(channels, ends[0]), np.full(channels, ends[1]))}
    for op in program.ops:
        kind = program.types[op.output]
        if isinstance(kind, IntType):
            lo, hi = (np.full(kind.shape[2], float(v)) for v in (kind.lo, kind.hi))
            if isinstance(op, Conv):
                x = program.int_type(op.inputs[0])
                lo, hi = (r.astype(float) for r in op.channel_ranges(x, program.constants))
            scale = float(kind.scale or 1)
            found[op.output] = _widened(lo * scale, hi * scale)
        else:
            found[op.output] = _widened(*_transfer(op, program, [found[i] for i in op.inputs]))
    return found


def require_bounded(name: str, ends: Interval, op: Op | None) -> None:
    """Refuse a tensor that may grow beyond every format.

    Args:
        name: the tensor's.
        ends: its range.
        op: what makes it; None for the input.

    Raises:
        CompileError: naming its nodes.
    """
    if max(float(np.abs(end).max()) for end in ends) < _FARTHEST:
        return
    raise CompileError(
        Problem(
            node=", ".join(op.origin) if op is not None else name,
            op=op.mnemonic if op is not None else "input",
            found=f"values that may pass {_FARTHEST:.0e} for inputs within the range",
            supported="tensors whose range, by the actual weights, stays below that",
            hint="give images by --calib, check the weights, or narrow --input-range",
        )
    )
