"""Padded copies of maps, shared by convolution and pooling."""

from __future__ import annotations

from tvm import te, tirx

from n2uqc.passes.program.ops.window import Pads
from n2uqc.passes.program.types import width_of

from .base import Expr


def container(lo: int, hi: int) -> str:
    """The narrowest type in memory for a range."""
    bits, signed = width_of(lo, hi)
    return f"{'int' if signed else 'uint'}{next(w for w in (8, 16, 32, 64) if w >= bits)}"


def padded(x: te.Tensor, pads: Pads, value: int, dtype: str) -> te.Tensor:
    """A stage (H + top + bottom, W + left + right, C) with ``value`` around the map.

    The copy costs an element's move once, and spares every tap of the window a comparison.
    """
    if not any(pads):
        return x
    top, left, bottom, right = pads
    height, width, channels = (int(n) for n in x.shape)

    def element(y: Expr, z: Expr, c: Expr) -> Expr:
        inside = []
        if top:
            inside.append(y >= top)
        if bottom:
            inside.append(y < top + height)
        if left:
            inside.append(z >= left)
        if right:
            inside.append(z < left + width)
        source = x[y - top, z - left, c].astype(dtype)
        return tirx.if_then_else(tirx.all(*inside), source, tirx.const(value, dtype))

    shape = (height + top + bottom, width + left + right, channels)
    return te.compute(shape, element, "padded")
