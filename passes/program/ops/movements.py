"""Movements of integers, made of those of real numbers."""

from __future__ import annotations

from ..operation import Op
from .flatten import Flatten
from .pool import MaxPool
from .real import RealFlatten, RealMaxPool, RealRearrange
from .rearrange import Rearrange


def moved_integers(op: RealMaxPool | RealRearrange | RealFlatten) -> Op:
    """Return the movement of integers that moves their values as an operation does."""
    if isinstance(op, RealRearrange):
        return Rearrange.of(op)
    if isinstance(op, RealFlatten):
        return Flatten(output=op.output, inputs=op.inputs, origin=op.origin)
    return MaxPool(
        output=op.output,
        inputs=op.inputs,
        origin=op.origin,
        kernel=op.kernel,
        stride=op.stride,
        pads=op.pads,
    )
