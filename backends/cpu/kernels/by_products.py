"""Convolutions as matrix products over blocks of the map."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from tvm import s_tir

from .convolution import ConvolutionPlan
from .epilogue import Area, computing
from .gemm import Plan
from .tiling import Grid


@dataclass(frozen=True, eq=False, kw_only=True)
class ProductsPlan(ConvolutionPlan):
    """A layer whose sums are read from matrix products.

    The rows of a product are the elements of a block of the map.  Its stages are ``left`` and
    ``product``, the sums' is ``total``.

    Attributes:
        products: how the products are computed.
        grid: blocks of the map.
    """

    products: Plan
    grid: Grid

    @property
    def size(self) -> int:
        return self.products.size

    @property
    def whole(self) -> Area:
        return Area(
            *self.grid.extent, self.layer.op.groups, self.products.blocks * self.products.outs
        )

    def order(self, schedule: s_tir.Schedule) -> None:
        strip = self.order_results(schedule)
        if not self.products.by_block(self.grid.strips, self.grid.blocks):
            schedule.compute_at(schedule.get_sblock("product"), strip, preserve_unit_loops=True)
        self.products.schedule(schedule)
        self.order_left(schedule)

    def order_results(self, schedule: s_tir.Schedule) -> s_tir.schedule.LoopRV:
        """Order the results and their sums by blocks of the map; return the loop over strips."""
        grid, lanes = self.grid, self.lanes
        total = schedule.get_sblock("total")
        line, pixel, group, channel = schedule.get_loops(computing(schedule))
        strip, line = schedule.split(line, [None, grid.high])
        block, pixel = schedule.split(pixel, [None, grid.wide])
        # Whole blocks of outputs, so that the products' region is whole too.
        channel, inner, lane = schedule.split(channel, [None, self.products.outs // lanes, lanes])
        schedule.reorder(strip, group, channel, inner, line, block, pixel, lane)
        schedule.compute_at(total, pixel, preserve_unit_loops=True)
        schedule.vectorize(schedule.get_loops(total)[-1])
        schedule.vectorize(lane)
        # All blocks but one that reaches beyond the map are free of comparisons: LLVM then loads
        # rows of bounds and multipliers once for all of them.
        schedule.annotate(block, "pragma_loop_partition_hint", 1)
        return strip

    @abstractmethod
    def order_left(self, schedule: s_tir.Schedule) -> None:
        """Order the stages that make the left operand."""
