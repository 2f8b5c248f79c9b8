"""The check that every input value is in its range."""

from __future__ import annotations

import math

import numpy as np
from tvm import s_tir, te, tirx

from n2uqc.passes.program import IntType

from .kernels.body import Expr, Vectors

_LANES = 64


def range_check(source: IntType, vectors: Vectors) -> tirx.PrimFunc | None:
    """Return a function that sets ``flag[0]`` to 1 if an input value is outside its range, else 0.

    None if no value of the dtype is outside the range.
    """
    limits = np.iinfo(source.container)
    if (source.lo, source.hi) == (limits.min, limits.max):
        return None
    if not vectors.scalar:
        return _by_vectors(source)
    return _one_by_one(source)


def _by_vectors(source: IntType) -> tirx.PrimFunc:
    lanes = math.gcd(source.size, _LANES)
    dtype, limits = source.container.name, np.iinfo(source.container)
    x = te.placeholder((source.size // lanes, lanes), dtype, "x")
    row, lane = (
        te.reduce_axis((0, source.size // lanes), "row"),
        te.reduce_axis((0, lanes), "lane"),
    )

    def outside(l: Expr) -> Expr:
        tests = [x[row, l] < tirx.const(source.lo, dtype)] if source.lo > limits.min else []
        tests += [x[row, l] > tirx.const(source.hi, dtype)] if source.hi < limits.max else []
        return te.max(tirx.any(*tests).astype("int8"), axis=row)

    lanes_out = te.compute((lanes,), outside, "outside")
    flag = te.compute((1,), lambda _: te.max(lanes_out[lane].astype("int32"), axis=lane), "flag")
    plan = s_tir.Schedule(te.create_prim_func([x, flag]))
    block = plan.get_sblock("outside")
    column, line = plan.get_loops(block)
    plan.reorder(line, column)
    plan.vectorize(column)
    plan.decompose_reduction(block, line)
    return plan.mod["main"]


def _one_by_one(source: IntType) -> tirx.PrimFunc:
    """Return the check for processors without vectors,
    by signs of differences instead of comparisons.

    Differences of 64-bit values would not fit, so these are compared."""
    limits = np.iinfo(source.container)
    wide = "int32" if source.container.itemsize < 4 else "int64"
    x = te.placeholder((source.size,), source.container.name, "x")
    k = te.reduce_axis((0, source.size), "k")
    either = te.comm_reducer(lambda a, b: a | b, lambda dtype: tirx.const(0, dtype), "either")

    def differences(_: Expr) -> Expr:
        if source.container.itemsize == 8:
            low, high = (tirx.const(end, x.dtype) for end in (source.lo, source.hi))
            outside = tirx.any(x[k] < low, x[k] > high)
            return either(tirx.Select(outside, tirx.const(-1, wide), tirx.const(0, wide)), axis=k)
        value = x[k].astype(wide)
        below = [value - tirx.const(source.lo, wide)] if source.lo > limits.min else []
        above = [tirx.const(source.hi, wide) - value] if source.hi < limits.max else []
        both = [*below, *above]
        return either(both[0] | both[-1], axis=k)

    signs = te.compute((1,), differences, "signs")

    def negative(n: Expr) -> Expr:
        zero, one = tirx.const(0, wide), tirx.const(1, wide)
        return tirx.min(tirx.max(zero - (signs[n] >> tirx.const(31, wide)), zero), one).astype(
            "int32"
        )

    flag = te.compute((1,), negative, "flag")
    plan = s_tir.Schedule(te.create_prim_func([x, flag]))
    block = plan.get_sblock("signs")
    plan.set_scope(block, 0, "local")
    plan.decompose_reduction(block, plan.get_loops(block)[-1])
    return plan.mod["main"]
