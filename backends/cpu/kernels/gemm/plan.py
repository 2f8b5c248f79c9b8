"""What a micro-kernel offers for a matrix product: layout, code, proof, price."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from ..body import Body, Expr, Vectors
from .layout import Layout
from .packing import Packing, pack
from .product import Gemm, IntArray
from .tile import Emit, Store, storing, updating


@dataclass(frozen=True, eq=False)
class Plan(Layout):
    """A way to compute a product: its layout, the code of the register tile, and its price.

    ``read`` sums up the parts of the result.

    Attributes:
        name: of the micro-kernel.
        instructions: estimate for one block of rows by one block of outputs over the whole of K.
        reason: what was proven, for people.
        emit: writes the tile's update.
        unroll: updates without a branch between them.
        store: writes finished accumulators to memory, by default one by one in order.  With it
            ``emit`` may keep the tile's sums in any order.
        shift: int64 (B,) or None: number that the user adds to the left operand before storing it,
            so that it fits ``left``; ``constant`` subtracts its effect.
        start: number that every sum starts from; ``constant`` subtracts it too.
        expanded: weights that are expanded at once; with more than 64 LLVM 22 spills on ARMv7.
        expansion: estimate: instructions that expand a weight.
        wide: whether the library holds the weights as they are read although bytes are enough.
        packing: how the library packs the weights; None if it holds them in the layout in which
            they are read, as bytes where these are enough.
    """

    name: str
    instructions: float
    reason: str
    emit: Emit
    unroll: int = 1
    store: Store | None = None
    shift: IntArray | None = None
    start: int = 0
    expanded: int = 64
    expansion: float = 0.25
    wide: bool = False
    packing: Packing | None = None

    def with_packing(self, vectors: Vectors) -> Plan | None:
        """Return the same plan with packed weights, None where ``pack`` cannot."""
        packing = pack(self, vectors, shifted=self.shift is not None)
        return None if packing is None else replace(self, packing=packing)

    @property
    def correction(self) -> IntArray | None:
        """The product less the sum over parts, int64 (B, O); None if they are equal."""
        if self.shift is None and not self.start:
            return None
        shift = np.zeros(len(self.gemm.weights), np.int64) if self.shift is None else self.shift
        from_shift: IntArray = self.gemm.weights.sum(axis=2) * shift[:, None]
        return -from_shift - self.start * self.parts

    @property
    def constant(self) -> NDArray[np.integer] | None:
        """The correction as ``read`` adds it: (B, blocks * outs)."""
        correction = self.correction
        if correction is None:
            return None
        whole = np.pad(correction, ((0, 0), (0, self.blocks * self.outs - correction.shape[1])))
        # In the result's own type if the sum wraps around: adding this wraps it back.
        return whole.astype(self.result if self._wraps else np.int32)

    @property
    def _wraps(self) -> bool:
        """Whether the result in memory is the product once the constant is added in its type."""
        return self.parts == 1 and not self.result.startswith("u")

    @property
    def arranged_weights(self) -> NDArray[np.integer]:
        """The weights in the layout in which they are read."""
        return self.arranged(self.gemm.weights).astype(self.right)

    @property
    def reading(self) -> float:
        """Estimate: instructions to read eight elements of the product from 16-byte registers."""
        loads = np.dtype(self.result).itemsize / 2
        return loads if self.parts == 1 else self.parts * (loads + 2)

    @property
    def bits(self) -> int:
        """Bits of a weight in the library."""
        if self.right == "int16" and self.gemm.most < 1 << 7 and not self.wide:
            return 8
        return 8 * np.dtype(self.right).itemsize

    @property
    def size(self) -> int:
        """Bytes of the weights in the library."""
        return self.packing.size(self) if self.packing else self.numbers * self.bits // 8

    @property
    def expanding(self) -> float:
        """Estimate: instructions that expand the library's weights."""
        if self.packing is not None:
            return self.packing.instructions(self)
        width = 8 * np.dtype(self.right).itemsize // self.together
        return self.numbers * self.expansion if self.bits < width else 0.0

    def weights(self, body: Body) -> te.Tensor:
        """Declare the weights as the product reads them: a table, or the stage ``expanded`` of one.

        Each byte less in the library costs a fifth of an instruction for an inference, which is
        less than reading it from memory would.
        """
        if self.packing is not None:
            return self.packing.weights(self, body)
        weights = self.arranged_weights
        if self.bits == 8 * weights.itemsize:
            return body.table("weight", weights)
        table = body.table("weight", weights.astype(np.int8))
        return te.compute(weights.shape, lambda *at: table(*at).astype(self.right), "expanded")

    def product(self, left: te.Tensor, weights: te.Tensor) -> te.Tensor:
        """Write the stages ``sums``, in registers, and ``product``, in memory."""
        batch, strips, blocks = (int(n) for n in left.shape[:3])
        k0, k1 = te.reduce_axis((0, self.steps), "k0"), te.reduce_axis((0, self.depth), "k1")
        # The schedule separates every reduction's first value from its updates, so sums may start
        # from any number.
        summed = te.comm_reducer(lambda x, y: x + y, lambda dtype: tirx.const(self.start, dtype))

        def element(*at: Expr) -> Expr:
            part, b, s, n, block, r, o = at
            k = part * self.steps + k0
            factor = self.factor(
                weights[b, block, k, k1 // self.group, o // self.together, k1 % self.group], o
            )
            return summed(left[b, s, n, k, r, k1].astype(self.dtype) * factor, axis=[k0, k1])

        shape = (self.parts, batch, strips, blocks, self.blocks, self.rows, self.outs)
        sums = te.compute(shape, element, "sums")
        return te.compute(shape, lambda *at: sums(*at).astype(self.result), "product")

    def by_block(self, strips: int, blocks: int) -> bool:
        """Tell whether blocks of outputs are expanded one by one, each used for all strips.

        That takes memory for the products of all strips, but only for one block of weights.  With
        16 registers LLVM 22 spills the addresses that all strips share.
        """
        if self.packing is None or not self.packing.vectors.has("many-vectors") or strips == 1:
            return False
        each = np.dtype(self.left).itemsize * self.depths * self.depth
        each += self.parts * self.blocks * self.outs * np.dtype(self.result).itemsize
        strip = len(self.gemm.weights) * blocks * self.rows * each
        return (strips - 1) * strip < self.numbers * np.dtype(self.right).itemsize

    def schedule(self, plan: s_tir.Schedule) -> None:
        """Order the loops of ``product``; compute ``left`` in the innermost loop that uses it."""
        blocks = plan.get_child_blocks(plan.get_sblock("root"))
        stages = {plan.get(block).name_hint: block for block in blocks}
        sums, product = plan.get_sblock("sums"), plan.get_sblock("product")
        *users, part, b, s, n, o, r, lane = plan.get_loops(product)
        # A block of outputs' weights stays in the cache while the rows stream by.
        by_block = self.packing is not None and all(int(plan.get(x).extent) == 1 for x in users)
        plan.reorder(*([o, part, b, s] if by_block else [part, b, s, o]), n)
        plan.compute_at(sums, n, preserve_unit_loops=True)
        if self.packing is not None:
            self.packing.schedule(plan, stages["expanded"], o if by_block else None, self)
        elif "expanded" in stages:
            self._expand(plan, stages["expanded"])
        plan.set_scope(sums, 0, "local")
        if users:
            plan.compute_at(plan.get_sblock("left"), users[-1], preserve_unit_loops=True)
        *_, row, out, k0, k1 = plan.get_loops(sums)
        plan.reorder(k0, row, k1, out)
        init = plan.decompose_reduction(sums, k0)
        self._straight(plan, *plan.get_loops(init)[-2:])
        if self.store is not None:
            plan.tensorize(r if self.rows > 1 else lane, storing(self, self.name, self.store))
        else:
            self._straight(plan, r, lane)
        plan.tensorize(row if self.rows > 1 else k1, updating(self, self.name, self.emit))
        if self.steps % self.unroll == 0:
            plan.unroll(plan.split(k0, [None, self.unroll])[1])

    def _expand(self, plan: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
        """Schedule the stage ``expanded``."""
        whole = plan.fuse(*plan.get_loops(block))
        plan.vectorize(plan.split(whole, [None, self.expanded])[1])

    def _straight(self, plan: s_tir.Schedule, rows: Expr, lanes: Expr) -> None:
        """Let a tile's loops have no branch; LLVM splits only vectors of a power of two well."""
        pieces, lanes = plan.split(lanes, [None, self.outs & -self.outs])
        plan.unroll(rows)
        plan.unroll(pieces)
        plan.vectorize(lanes)

    def read(self, product: te.Tensor, constant: te.Tensor | None, dtype: str, *at: Expr) -> Expr:
        """Read an element of the product in a dtype that holds it.

        Args:
            product: the stage.
            constant: ``constant`` as an operand, where there is one.
            dtype: of the result, and of the sum over parts.
            at: (b, strip, block of rows, row, output).
        """
        b, s, n, r, o = at
        wide = self.result if self._wraps else dtype
        terms = [
            product[part, b, s, n, o // self.outs, r, o % self.outs].astype(wide)
            for part in range(self.parts)
        ]
        if constant is not None:
            terms.append(constant[b, o].astype(wide))
        return functools.reduce(operator.add, terms).astype(dtype)


@dataclass(frozen=True)
class Micro:
    """A family of inner loops.

    Attributes:
        name: for people and for tensor intrinsics.
        plans: the ways in which it can compute a product on a vector unit, none if it cannot.
            The user takes one for its number of rows: a choice of ``rows`` should be offered.
    """

    name: str
    plans: Callable[[Gemm, Vectors], Iterable[Plan]]
