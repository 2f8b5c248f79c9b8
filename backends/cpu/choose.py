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
from .kernels import (
    direct,
    fixed_point,
    join,
    limbs,
    matrix,
    pointwise,
    polynomial,
    pool,
    winograd,
)
from .kernels.body import Vectors
from .kernels.offer import Kernel, Offer, cheapest

TABLE: dict[type[Op] | None, tuple[Kernel, ...]] = {
    Conv: (
        *winograd.KERNELS,
        *polynomial.KERNELS,
        *matrix.KERNELS,
        *fixed_point.KERNELS,
        *limbs.KERNELS,
        *direct.KERNELS,
    ),
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
"""Kernels by a group's first operation (None: a copy); those that fit make an offer."""


@dataclass(frozen=True)
class Choice:
    """A group and the kernel for it.

    Attributes:
        kernel: which one.
        offer: how it computes the group.
    """

    group: Group
    kernel: Kernel
    offer: Offer

    @property
    def instructions(self) -> float:
        """Estimate for the group's first operation."""
        return self.offer.instructions

    @property
    def size(self) -> int:
        """Bytes of weights in the library."""
        return self.offer.size

    @property
    def reason(self) -> str:
        """Why it was chosen."""
        if not self.offer.instructions:
            return self.offer.reason
        return f"{self.offer.reason}; estimate {self.offer.instructions / 1e6:.2f} M instructions"


def choose(group: Group, program: Program, vectors: Vectors) -> Choice:
    """The kernel with the least work, in which bytes of weights have their price.

    Raises:
        CompileError: no kernel computes the group's first operation.
    """
    first = type(group.ops[0]) if group.ops else None
    choices = (
        Choice(group, kernel, offer)
        for kernel in TABLE.get(first, ())
        if (offer := kernel.offer(group, program, vectors))
    )
    if (choice := cheapest(choices, vectors)) is not None:
        return choice
    op = group.ops[0]
    raise CompileError(
        Problem(
            node=", ".join(op.origin) or op.output,
            op=op.mnemonic,
            found="no kernel of this target computes it",
        )
    )
