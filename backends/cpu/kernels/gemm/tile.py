"""A plan's register tile as tensor intrinsics: what its loops mean, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm.script.ir_builder import tirx as ir

from ..base import Expr
from .tensorize import axis, intrinsic, loops

if TYPE_CHECKING:
    from .base import Plan


def updating(plan: Plan) -> str:
    """Name of the intrinsic of a tile's update over ``depth`` of K."""
    rows, outs, depth, group, dtype = plan.rows, plan.outs, plan.depth, plan.group, plan.dtype

    def meaning(a: Expr, w: Expr, p: Expr) -> None:
        with loops(rows, depth, outs) as (r, k, o), ir.sblock("update"):
            i, j = axis(rows, r), axis(outs, o)
            l = axis(depth, k, ir.axis.reduce)
            factor = plan.factor(w[l // group, j // plan.together, l % group], j)
            ir.buffer_store(p, p[i, j] + a[i, l].astype(dtype) * factor, [i, j])

    return intrinsic(
        f"n2uqc.{plan.name}.{rows}x{outs}x{depth}",
        meaning,
        plan.emit,
        [
            ((rows, depth), plan.left, "global"),
            ((depth // group, outs // plan.together, group), plan.right, "global"),
            ((rows, outs), dtype, "local"),
        ],
        updates=True,
    )


def storing(plan: Plan) -> str:
    """Name of the intrinsic of a tile's way from registers to memory, where it has its own."""
    rows, outs = plan.rows, plan.outs

    def meaning(p: Expr, memory: Expr) -> None:
        with loops(rows, outs) as (r, o), ir.sblock("copy"):
            i, j = axis(rows, r), axis(outs, o)
            ir.buffer_store(memory, p[i, j].astype(plan.result), [i, j])

    assert plan.store is not None
    return intrinsic(
        f"n2uqc.{plan.name}.{rows}x{outs}.store",
        meaning,
        plan.store,
        [
            ((rows, outs), plan.dtype, "local"),
            ((rows, outs), plan.result, "global"),
        ],
    )
