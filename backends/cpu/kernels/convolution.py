"""The template of convolution kernels: one choice, one offer, one way to build.

A kernel's module states its ways to compute a layer, each a ``ConvolutionPlan``, by a function
``plans``; everything that is not particular to it stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Program

from ..grouping import Group, convolution
from .body import Body, Expr, Vectors, reads
from .epilogue import Area, cover, results
from .layer import Layer
from .offer import Kernel, Offer, cheapest
from .window import cut_at_edges


class Totals(NamedTuple):
    """A convolution's sums.

    Attributes:
        stage: the last stage, which the results read.
        read: the sum at (row, column, group, channel), less the offset.
        offset: what is to be added to the sums of each channel, int64 (O,); None is nothing.
    """

    stage: te.Tensor
    read: Callable[[Expr, Expr, Expr, Expr], Expr]
    offset: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvolutionPlan(ABC):
    """One way to compute a layer, with everything chosen.

    Attributes:
        layer: what is computed.
        instructions: estimate of everything but what follows the convolution.
        lanes: channels of results that are worked on at once; where they do not divide a group's
            channels, surplus ones are computed too.
    """

    layer: Layer
    instructions: float
    lanes: int = 1

    @property
    @abstractmethod
    def reason(self) -> str:
        """Why it is exact: what was proven."""

    @property
    def size(self) -> int:
        """Bytes of weights in the library, by default one each."""
        return self.layer.weight.size

    @property
    def imported(self) -> str:
        """Functions that the kernel calls, as textual IR."""
        return ""

    @property
    def real(self) -> Area:
        """Extents of the results."""
        groups = self.layer.op.groups
        return Area(*self.layer.output_size, groups, self.layer.shape[2] // groups)

    @property
    @abstractmethod
    def whole(self) -> Area:
        """Extents for which there are sums, the surplus included."""

    @abstractmethod
    def totals(self, body: Body) -> Totals:
        """Write the stages from the input up to the sums."""

    @abstractmethod
    def order(self, schedule: s_tir.Schedule) -> None:
        """Order, vectorize and tensorize the loops of all stages."""

    def build(self, body: Body) -> tirx.PrimFunc:
        """Write the scheduled function: the sums, and what follows them in the group."""
        cover(body, self.real, self.whole.channels)
        totals = self.totals(body)
        result = results(body, self.real, self.whole, self.lanes, totals.read, totals.offset)
        function = body.function(result.y)
        if not reads(result.computed, totals.stage):
            return function
        schedule = s_tir.Schedule(function)
        self.order(schedule)
        cut_at_edges(schedule)
        if self.imported:
            body.imported.add(self.imported)
        return schedule.mod["main"]


def convolution_kernel(
    name: str, plans: Callable[[Layer, Vectors], Iterable[ConvolutionPlan]]
) -> Kernel:
    """Return a kernel that computes a layer by the cheapest of its plans.

    Args:
        name: for tables and symbols.
        plans: all ways in which it can compute a layer on a processor, none if it cannot.
    """

    def offer(group: Group, program: Program, vectors: Vectors) -> Offer | None:
        plan = cheapest(plans(Layer.of(convolution(group), program), vectors), vectors)
        if plan is None:
            return None
        return Offer(plan.reason, plan.build, plan.instructions, plan.size)

    return Kernel(name, offer)
