"""Exact rewrites among real operations, so that each chain carries one affine map."""

from __future__ import annotations

from dataclasses import replace

from ..program import Op, Program
from ..program.ops.real import Affine, RealAdd
from ..rewrite import live, typed


def _compose(inner: Affine, outer: Affine) -> Affine:
    slope = tuple(a * b for a, b in zip(outer.slope, inner.slope, strict=True))
    offset = tuple(
        a * b + c for a, b, c in zip(outer.slope, inner.offset, outer.offset, strict=True)
    )
    return replace(
        outer, inputs=inner.inputs, slope=slope, offset=offset, origin=inner.origin + outer.origin
    )


def merge_affine(program: Program) -> Program:
    """Compose affine maps that follow one another and have no other reader."""
    readers = program.consumers()
    made: dict[str, Op] = {}
    for op in program.ops:
        if isinstance(op, Affine):
            inner = made.get(op.inputs[0])
            if (
                isinstance(inner, Affine)
                and len(readers[inner.output]) == 1
                and (inner.output != program.output)
            ):
                del made[inner.output]
                op = _compose(inner, op)
        made[op.output] = op
    return live(replace(program, ops=tuple(made.values())))


def hoist_bias(program: Program) -> Program:
    """Move the bias behind a skip's sum into the operand that has an affine map of its own.

    ``(s*u + o) + v + b = (s*u + (o + b)) + v``: one operation less, and the bias is added at the
    accumulator's precision instead of the stream's.
    """
    readers = program.consumers()
    made = {op.output: op for op in program.ops}
    for op in program.ops:
        add = made.get(op.inputs[0]) if op.inputs else None
        if not (
            isinstance(op, Affine)
            and isinstance(add, RealAdd)
            and all(s == 1 for s in op.slope)
            and len(readers[add.output]) == 1
        ):
            continue
        for name in add.inputs:
            branch = made.get(name)
            if isinstance(branch, Affine) and len(readers[name]) == 1:
                offset = tuple(a + b for a, b in zip(branch.offset, op.offset, strict=True))
                moved = f"{op.output}.branch"  # a name keeps its meaning: this is another value
                made[name] = replace(
                    branch, output=moved, offset=offset, origin=branch.origin + op.origin
                )
                inputs = tuple(moved if i == name else i for i in add.inputs)
                made[add.output] = replace(add, inputs=inputs, output=op.output)
                del made[op.output]
                break
    ops = tuple(made[op.output] for op in program.ops if op.output in made)
    return typed(live(replace(program, ops=ops)))
