"""Padded copies of maps, shared by convolution and pooling."""

from __future__ import annotations

import numpy as np
from tvm import s_tir, te, tirx

from n2uqc.passes.program.ops.window import Pads
from n2uqc.passes.program.types import width_of

from .body import Expr


def container(lo: int, hi: int) -> str:
    """Return the narrowest type in memory for a range."""
    bits, signed = width_of(lo, hi)
    return f"{'int' if signed else 'uint'}{next(w for w in (8, 16, 32, 64) if w >= bits)}"


def padded(x: te.Tensor, pads: Pads, value: int, dtype: str) -> te.Tensor:
    """Write a stage (H + top + bottom, W + left + right, C) with ``value`` around the map.

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


def framed(
    x: te.Tensor,
    origin: tuple[int, int],
    size: tuple[int, int, int],
    value: int,
    dtype: str,
    center: int = 0,
) -> te.Tensor:
    """Write a stage ``framed`` of any size with the map at an origin, and ``value`` all around it.

    Surplus channels hold zeros.

    Args:
        x: the map (H, W, C).
        origin: row and column at which it begins.
        size: rows, columns and channels of the stage.
        value: stands around the map.
        dtype: of the stage.
        center: what is taken off every number but the zeros, so that numbers of 8 bits without a
            sign fit 8 bits with one.

    Returns:
        the stage, or the map itself if that is the same.
    """
    (top, left), (height, width, channels) = origin, (int(n) for n in x.shape)
    same = x.dtype == dtype and not center
    if (top, left, *size) == (0, 0, height, width, channels) and same:
        return x
    limits = (top, height, size[0]), (left, width, size[1])

    def element(*at: Expr) -> Expr:
        inside = [
            test
            for place, (start, count, end) in zip(at[:2], limits, strict=True)
            for test in (
                *([place >= start] if start else []),
                *([place < start + count] if start + count < end else []),
            )
        ]
        source = x[at[0] - top, at[1] - left, at[2]].astype(dtype)
        if center:  # numbers wrap around, so that the difference is right
            half = 1 << 8 * np.dtype(dtype).itemsize - 1
            source = source - tirx.const((center + half) % (2 * half) - half, dtype)
        if inside:
            around = tirx.const(value - center, dtype)
            source = tirx.if_then_else(tirx.all(*inside), source, around)
        if channels < size[2]:
            source = tirx.if_then_else(at[2] < channels, source, tirx.const(0, dtype))
        return source

    return te.compute(size, element, "framed")


def frame_of(schedule: s_tir.Schedule) -> s_tir.schedule.SBlockRV | None:
    """Return the stage ``framed``, None where there is none."""
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        if schedule.get(block).name_hint == "framed":
            return block
    return None


def cut_at_edges(schedule: s_tir.Schedule) -> None:
    """Let the loops of the stage ``framed``, if there is one, end where the map ends.

    Inside, the copy is then free of comparisons, and LLVM moves whole rows.
    """
    if (block := frame_of(schedule)) is not None:
        for loop in schedule.get_loops(block):
            schedule.annotate(loop, "pragma_loop_partition_hint", 1)
