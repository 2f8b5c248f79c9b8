"""Matrix products of small integers: the inner loops of convolutions.

    product.py  the product and bounds of its sums
    packing.py  weights of few bits in the library
    base.py    what a micro-kernel offers for it: layouts, price, the common schedule
    tile.py    its register tile as tensor intrinsics
    tensorize.py  loops replaced by instructions
    by_element.py  register tiles of the three NEON products by element:
    mla16.py   16-bit multiply-accumulate by element, every NEON
    byte_pairs.py  two outputs in a lane of the same, for few bits
    mlal16.py  the same with sums of 32 bits, for many bits
    dot.py     dot products of four bytes, AArch64 with dotprod
    mmla.py    products of 2x8 by 8x2 bytes, AArch64 with i8mm
    maddubs.py  byte products added in pairs, x86 with AVX2
    madd.py    16-bit products added in pairs, x86 with AVX2
    smlad.py   16-bit products added in pairs, Cortex-M with DSP instructions

A kernel states its product as a ``Gemm`` with the actual weights and proven ranges; every micro
answers with plans, each a register tile with its price and its proof; the kernel takes the
cheapest for its map, stores the left operand as the plan wants it, and reads the product.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..base import Vectors
from . import byte_pairs, dot, madd, maddubs, mla16, mlal16, mmla, smlad
from .base import Micro, Plan
from .packing import packed
from .product import Gemm, Origin

MICROS: tuple[Micro, ...] = (
    smlad.MICRO,
    mla16.MICRO,
    byte_pairs.MICRO,
    mlal16.MICRO,
    dot.MICRO,
    mmla.MICRO,
    maddubs.MICRO,
    madd.MICRO,
)


def plans(gemm: Gemm, vectors: Vectors, packing: bool = False) -> Iterator[Plan]:
    """Every way in which a processor can compute a product.

    Args:
        gemm: the product.
        vectors: of the processor.
        packing: offer packed weights too, for users who read them by ``Plan.weights``.
    """
    for micro in MICROS:
        for plan in micro.plans(gemm, vectors):
            yield plan
            if packing and (smaller := packed(plan, vectors)) is not None:
                yield smaller


__all__ = ["MICROS", "Gemm", "Micro", "Origin", "Plan", "plans"]
