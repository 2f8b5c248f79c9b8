"""The choice of a kernel for each group of operations."""

from __future__ import annotations

from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import (
    Concat,
    Conv,
    MaxPool,
    Op,
    Program,
    Rearrange,
    SumPool,
)

from .grouping import Group
from .kernels import (
    direct,
    elementwise,
    fixed_point,
    join,
    limbs,
    matrix,
    pointwise,
    polynomial,
    pool,
    rearrange,
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
    Concat: join.KERNELS,
    Rearrange: rearrange.KERNELS,
    **dict.fromkeys(elementwise.STEPS, pointwise.KERNELS),
}
"""Kernels by type of a group's first operation; those that can compute it make an offer."""


@dataclass(frozen=True)
class KernelChoice:
    """A group and the kernel chosen for it.

    Attributes:
        kernel: the kernel.
        offer: its offer: how it computes the group, and at what cost.
    """

    group: Group
    kernel: Kernel
    offer: Offer

    @property
    def instructions(self) -> float:
        """Estimated instructions of the group's first operation."""
        return self.offer.instructions

    @property
    def size(self) -> int:
        """Bytes of weights in the library."""
        return self.offer.size

    @property
    def reason(self) -> str:
        """The reason for the choice, for tables."""
        if not self.offer.instructions:
            return self.offer.reason
        return f"{self.offer.reason}; estimate {self.offer.instructions / 1e6:.2f} M instructions"


def choose(group: Group, program: Program, vectors: Vectors) -> KernelChoice:
    """Choose the kernel of the least cost: instructions, and bytes of weights at their price.

    Raises:
        CompileError: no kernel computes the group's first operation.
    """
    first = type(group.ops[0])
    choices = (
        KernelChoice(group, kernel, offer)
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
