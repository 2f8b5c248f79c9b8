"""Tensor intrinsics for TVM: what a block of loops means, and how it is written instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tvm import s_tir, tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as ir

from ..body import Expr


@contextmanager
def loops(*extents: int) -> Iterator[list[Expr]]:
    """Open loops and yield their variables.

    It is 0 for a loop of one step, which TVM drops from the blocks that it matches.
    """
    with ir.grid(*(n for n in extents if n > 1)) as variables:
        left = iter(variables if isinstance(variables, Iterable) else [variables])
        yield [next(left) if n > 1 else 0 for n in extents]


def axis(extent: int, variable: Expr, kind: Callable[..., Expr] = ir.axis.spatial) -> Expr:
    return kind(extent, variable) if extent > 1 else 0


def intrinsic(
    name: str,
    meaning: Callable[..., None],
    emit: Callable[..., None],
    buffers: list[tuple[tuple[int, ...], str, str]],
    updates: bool = False,
) -> str:
    """Register what a block means and how it is written; the last buffer is the result.

    Args:
        name: the start of its name, to which the types are added.
        meaning, emit: both write a body over the buffers.
        buffers: shape, dtype and scope of each.
        updates: the result is read too.
    """

    def function(body: Callable[..., None]) -> tirx.PrimFunc:
        with IRBuilder() as builder, ir.prim_func(s_tir=True):
            ir.func_name("tile")
            given = [
                ir.arg(f"b{k}", ir.Buffer(shape, dtype, scope=scope, offset_factor=1))
                for k, (shape, dtype, scope) in enumerate(buffers)
            ]
            regions = [
                buffer[tuple(slice(0, n) for n in shape)]
                for buffer, (shape, _, _) in zip(given, buffers, strict=True)
            ]
            with ir.sblock("root"):
                ir.reads(*regions[:-1] if not updates else [regions[-1], *regions[:-1]])
                ir.writes(regions[-1])
                body(*given)
        return builder.get()

    name = ".".join([name, *(dtype for _, dtype, _ in buffers)])
    s_tir.TensorIntrin.register(name, function(meaning), function(emit), override=True)
    return name
