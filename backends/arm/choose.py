"""Which kernel computes which group, and why."""

from __future__ import annotations

from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Conv,
    Flatten,
    Lookup,
    MaxPool,
    Op,
    PRelu,
    Program,
    Requantize,
    SumPool,
    Thresholds,
)

from .grouping import Group
from .kernels import conv, join, pointwise, pool
from .kernels.base import Kernel

TABLE: dict[type[Op] | None, tuple[Kernel, ...]] = {
    Conv: conv.KERNELS,
    MaxPool: pool.KERNELS,
    SumPool: pool.KERNELS,
    Add: pointwise.KERNELS,
    Concat: join.KERNELS,
    Lookup: pointwise.KERNELS,
    Clamp: pointwise.KERNELS,
    Flatten: pointwise.KERNELS,
    PRelu: pointwise.KERNELS,
    Requantize: pointwise.KERNELS,
    Thresholds: pointwise.KERNELS,
    None: pointwise.KERNELS,
}
"""By a group's first operation (None: a copy), best kernel first; the first that fits is taken."""


@dataclass(frozen=True)
class Choice:
    """A group and the kernel for it.

    Attributes:
        kernel: which one.
        reason: why it fits.
    """

    group: Group
    kernel: Kernel
    reason: str


def choose(group: Group, program: Program) -> Choice:
    """The first kernel of the table that fits.

    Raises:
        CompileError: no kernel computes the group's first operation.
    """
    first = type(group.ops[0]) if group.ops else None
    for kernel in TABLE.get(first, ()):
        reason = kernel.fits(group, program)
        if reason:
            return Choice(group, kernel, reason)
    op = group.ops[0]
    raise CompileError(Problem(
        node=", ".join(op.origin) or op.output, op=op.mnemonic,
        found="no kernel of this target computes it",
    ))
