"""Memory layouts of a matrix product's operands and result, and its register tile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..body import Expr
from .product import Gemm, IntArray


@dataclass(frozen=True, eq=False)
class Layout:
    """Memory layout of the numbers of a product, and the tile of it that registers hold.

    The left operand lies in memory as (B, S, N, depths, rows, depth): S strips, worked on one after
    the other, of N blocks of rows.  The weights lie as (B, blocks, depths, depth / group, outs,
    group), the result as (parts, B, S, N, blocks, rows, outs).

    Attributes:
        gemm: what is computed.
        rows, outs, depth: the register tile: rows by outputs, over so much of K at a time.
        group: values of K that lie together for each output.
        left: dtype of the left operand.
        right: dtype of the weights.
        dtype: of the accumulators.
        parts: how many chunks of K are summed on their own.
        steps: length of a chunk, in units of ``depth``.
        stored: dtype of the result, by default the accumulators'.
    """

    gemm: Gemm
    rows: int
    outs: int
    depth: int
    group: int
    left: str
    right: str
    dtype: str
    parts: int
    steps: int
    stored: str = field(default="", kw_only=True)

    together: ClassVar[int] = 1
    """Outputs whose weights share an element."""

    @property
    def depths(self) -> int:
        """Units of ``depth`` in K, the surplus included."""
        return self.parts * self.steps

    @property
    def blocks(self) -> int:
        """Blocks of outputs."""
        return -(-int(self.gemm.weights.shape[1]) // self.outs)

    @property
    def result(self) -> str:
        """Dtype of the product in memory."""
        return self.stored or self.dtype

    @property
    def numbers(self) -> int:
        """Count of all weights, the surplus included."""
        return len(self.gemm.weights) * self.blocks * self.outs * self.depths * self.depth

    def left_shape(self, strips: int, blocks: int) -> tuple[int, ...]:
        """Return the shape of the left operand, for so many strips of so many blocks of rows."""
        return (len(self.gemm.weights), strips, blocks, self.depths, self.rows, self.depth)

    def arranged(self, weights: IntArray) -> IntArray:
        """Lay out numbers (B, O, K) as the weights are, with zeros after O and K."""
        batch, out, length = weights.shape
        whole = np.zeros((batch, self.blocks * self.outs, self.depths * self.depth), np.int64)
        whole[:, :out, :length] = weights
        whole = whole.reshape(
            batch, self.blocks, self.outs, self.depths, self.depth // self.group, self.group
        )
        return np.ascontiguousarray(whole.transpose(0, 1, 3, 4, 2, 5))

    def factor(self, weight: Expr, out: Expr) -> Expr:
        """Return the weight of an output, from the element in which it lies."""
        return weight.astype(self.dtype)
