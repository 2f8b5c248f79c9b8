"""A plan's register tile as tensor intrinsics: what its loops mean, and how they are written."""

from __future__ import annotations

from collections.abc import Callable

from tvm.script.ir_builder import tirx as ir

from ..body import Expr
from .layout import Layout
from .tensorize import axis, intrinsic, loops

Emit = Callable[[Expr, Expr, Expr], None]
"""Writes the update of a register tile with ``ir``: from buffers left (rows, depth), weights
(depth / group, outs, group), and sums (rows, outs), which stands for registers."""

Store = Callable[[Expr, Expr], None]
"""Writes a finished tile with ``ir``: from registers (rows, outs) to memory of that shape."""


def updating(layout: Layout, name: str, emit: Emit) -> str:
    """Register the update of a tile over ``depth`` of K; return the intrinsic's name.

    Args:
        layout: of the product.
        name: of the micro-kernel.
        emit: writes the update.
    """
    rows, outs, depth, group = layout.rows, layout.outs, layout.depth, layout.group
    dtype = layout.dtype

    def meaning(a: Expr, w: Expr, p: Expr) -> None:
        with loops(rows, depth, outs) as (r, k, o), ir.sblock("update"):
            i, j = axis(rows, r), axis(outs, o)
            l = axis(depth, k, ir.axis.reduce)
            factor = layout.factor(w[l // group, j // layout.together, l % group], j)
            ir.buffer_store(p, p[i, j] + a[i, l].astype(dtype) * factor, [i, j])

    return intrinsic(
        f"n2uqc.{name}.{rows}x{outs}x{depth}",
        meaning,
        emit,
        [
            ((rows, depth), layout.left, "global"),
            ((depth // group, outs // layout.together, group), layout.right, "global"),
            ((rows, outs), dtype, "local"),
        ],
        updates=True,
    )


def storing(layout: Layout, name: str, store: Store) -> str:
    """Register how a finished tile is stored; return the intrinsic's name.

    Args:
        layout: of the product.
        name: of the micro-kernel.
        store: writes the tile to memory.
    """
    rows, outs = layout.rows, layout.outs

    def meaning(p: Expr, memory: Expr) -> None:
        with loops(rows, outs) as (r, o), ir.sblock("copy"):
            i, j = axis(rows, r), axis(outs, o)
            ir.buffer_store(memory, p[i, j].astype(layout.result), [i, j])

    return intrinsic(
        f"n2uqc.{name}.{rows}x{outs}.store",
        meaning,
        store,
        [
            ((rows, outs), layout.dtype, "local"),
            ((rows, outs), layout.result, "global"),
        ],
    )
