"""Matrix products of small integers: the inner loops of convolutions.

    product.py     a product, and bounds of its sums
    layout.py      where its operands and its result lie, and the register tile
    packing.py     weights of few bits in the library
    plan.py        what a micro-kernel offers: layout, code, proof, price; the common schedule
    tile.py        the register tile as tensor intrinsics
    tensorize.py   how loops are replaced by instructions
    by_element.py  register tiles of the three NEON micro-kernels that multiply by element:
    mla16.py       multiply-accumulate of 16 bits, every NEON
    byte_pairs.py  the same with two outputs in a lane, for few bits
    mlal16.py      the same with sums of 32 bits, for many bits
    dot.py         dot products of four bytes, AArch64 with dotprod
    mmla.py        products of 2x8 by 8x2 bytes, AArch64 with i8mm
    maddubs.py     byte products added in pairs, x86 with AVX2
    madd.py        16-bit products added in pairs, x86 with AVX2
    smlad.py       16-bit products added in pairs, Cortex-M with DSP instructions

A kernel states its product as a ``Gemm`` with the actual weights and proven ranges; every micro
answers with plans, each a register tile with its price and its proof; the kernel takes the
cheapest for its map, stores the left operand as the plan wants it, and reads the product.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..body import Vectors
from . import byte_pairs, dot, madd, maddubs, mla16, mlal16, mmla, smlad
from .plan import Micro, Plan
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


def plans(
    gemm: Gemm, vectors: Vectors, packing: bool = False, wide: bool = False
) -> Iterator[Plan]:
    """Yield every way in which a processor can compute a product.

    Args:
        gemm: the product.
        vectors: of the processor.
        packing: offer packed weights too, for users who read them by ``Plan.weights``.
        wide: offer weights that are not expanded too, for users who read them a few times only.
    """
    for micro in MICROS:
        for plan in micro.plans(gemm, vectors):
            if plan.wide and not wide:
                continue
            yield plan
            if packing and (smaller := plan.with_packing(vectors)) is not None:
                yield smaller


__all__ = ["MICROS", "Gemm", "Micro", "Origin", "Plan", "plans"]
