"""What follows a convolution's sums: the group's other operations, on vectors of channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from .body import Body, Expr, Place, Reader, Vectors, pixelwise
from .elementwise import follow


class Area(NamedTuple):
    """Rows and columns of a map, groups, channels of a group."""

    rows: int
    columns: int
    groups: int
    channels: int


class Results(NamedTuple):
    """The group's result ``y``, and the stage that computes it: ``y`` itself unless that copies."""

    y: te.Tensor
    computed: te.Tensor


def cover(body: Body, real: Area, channels: int) -> None:
    """Let per-channel rows cover so many channels of each group; the last ones may be surplus."""
    slots = np.minimum(np.arange(channels), real.channels - 1)
    body.slots = (slots + real.channels * np.arange(real.groups)[:, None]).ravel()


def lanes_of(outs: int, dtype: str, vectors: Vectors) -> int:
    """Return the channels of results that are worked on at once: a register of bytes or int16.

    Args:
        outs: channels of a block of sums, a multiple of the result.
        dtype: of the sums.
        vectors: of the processor.
    """
    return math.gcd(outs, max(vectors.size // min(np.dtype(dtype).itemsize, 2), 1))


def results(
    body: Body,
    real: Area,
    whole: Area,
    lanes: int,
    total: Callable[[Expr, Expr, Expr, Expr], Expr],
    offset: NDArray[np.int64] | None = None,
) -> Results:
    """Write the stages that follow a convolution's sums, ``y`` the last.

    Where vectors of channels reach beyond the real ones, everything is computed for the surplus
    too, as the stage ``whole``, and ``y`` copies what is real: a branch for each channel would cost
    far more.

    Args:
        body: whose slots cover the whole channels.
        real: extents of the result.
        whole: extents for which there are sums; not less.
        lanes: channels worked on at once.
        total: the sum at (row, column, group, channel), less the offset.
        offset: what is to be added to the sums of each channel.
    """
    op, *rest = body.group.ops
    width = body.tensor_type(op.output).shape[1]

    def where(row: Expr, column: Expr, group: Expr, channel: Expr) -> tuple[Expr, Expr, Expr]:
        pixel = pixelwise(width)(row * real.columns + column, group * real.channels + channel)
        return pixel if real.columns != width else (row, column, pixel[2])

    others = {name: body.beside(name, real, where) for name in body.group.others}
    straight = real.channels % lanes == 0
    if not straight:
        others = {
            name: _surrounded(name, x, real, whole, body.stored(name)) for name, x in others.items()
        }

    def element(*at: Expr) -> Expr:
        value = replace(body.value(op.output, total(*at)), offset=offset)
        place = Place(at[2] * whole.channels + at[3], lambda name: others[name](*at))
        return body.result(follow(body, tuple(rest), value, place))

    if straight:
        y = te.compute(real, element, "y")
        return Results(y, y)
    computed = te.compute(whole, element, "whole")
    return Results(te.compute(real, lambda *at: computed(*at), "y"), computed)


def _surrounded(name: str, x: Reader, real: Area, whole: Area, dtype: str) -> te.Tensor:
    """Extend an operand of a type with zeros beyond its real extents."""

    def element(*at: Expr) -> Expr:
        inside = [i < n for i, n, m in zip(at, real, whole, strict=True) if n < m]
        return tirx.if_then_else(tirx.all(*inside), x(*at), tirx.const(0, dtype))

    return te.compute(whole, element, f"around_{name}")


def computing(schedule: s_tir.Schedule) -> s_tir.schedule.SBlockRV:
    """Return the stage of ``Results.computed``; its loops are rows, columns, groups, channels."""
    names = [schedule.get(block).name_hint for block in _blocks(schedule)]
    return schedule.get_sblock("whole" if "whole" in names else "y")


def _blocks(schedule: s_tir.Schedule) -> list[s_tir.schedule.SBlockRV]:
    return list(schedule.get_child_blocks(schedule.get_sblock("root")))
