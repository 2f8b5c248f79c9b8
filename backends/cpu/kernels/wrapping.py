"""Sums of more than 32 bits in accumulators of 32 bits that wrap around.

Such an accumulator always holds the lower 32 bits of the true sum.  Its upper half is read after
every chunk of products: as no chunk adds 2**31 or more, the difference of two readings tells,
modulo 2**16, by how much the sum truly rose.  A coarse count of these rises, in units of
``2**(16 + shift)``, knows the sum to within 2**31, and the accumulator knows the rest.

Reading costs three instructions for eight outputs (UZP2, SUB, SSRA) and, with what it keeps, two
registers; widening every chunk's sum costs four (SADDW) and four registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from .body import Expr

MOST = (1 << 31) - (1 << 16)
"""What a chunk may add, either way: then the upper half's rise, floors included, fits 16 bits."""

LANES = 8
"""Sums side by side, each in 32 bits."""

_HALF = 16
_ADD = "llvm.vector.partial.reduce.add.v8i32.v8i32"


@dataclass(frozen=True)
class Readings:
    """When accumulators are read, and in which unit their rises are counted.

    Attributes:
        count: after how many chunks; behind them at most one more follows.
        shift: bits of a rise that are dropped; the counts fit 16 bits signed.
    """

    count: int
    shift: int


def readings(chunks: int, bound: int, last: int) -> Readings | None:
    """The readings with which a sum is known, None if none would do.

    Of every rise less than ``2**shift`` upper halves are lost, and once the lower half: what is
    lost and the last chunk must be one number of 32 bits.

    Args:
        chunks: so many, of which none adds more than MOST.
        bound: of the sum and all sums on the way, either way.
        last: what the last chunk adds at most.
    """
    for count, rest in ((chunks - 1, last), (chunks, 0)):
        shift = 0
        while (bound >> _HALF + shift) + count + 1 >= 1 << 15:
            shift += 1
        if rest + (count * ((1 << shift) - 1) + 1 << _HALF) <= 1 << 31:
            return Readings(count, shift)
    return None


def add(x: Expr, y: Expr) -> Expr:
    """``x + y``, int32x8, modulo 2**32: TVM promises LLVM that its own sums do not wrap around."""
    return tirx.call_llvm_pure_intrin(f"int32x{LANES}", _ADD, x, y)


def boundary(*values: Expr) -> None:
    """No instruction moves across here, and the values are computed before; costs nothing.

    LLVM's scheduler puts off what nothing waits for, and fills the stack with it.
    """
    ir.evaluate(tirx.call_llvm_intrin("void", "llvm.fake.use", *values))


@dataclass
class Chain:
    """Eight sums on their way.

    Attributes:
        sums: the accumulators, int32x8.
        upper: their upper halves when last read, int16x8.
        risen: count of rises, int16x8.
    """

    sums: Expr = None
    upper: Expr = None
    risen: Expr = None

    def accumulate(self, products: Expr) -> None:
        """One more product for each, int32x8."""
        self.sums = ir.bind(products if self.sums is None else add(self.sums, products))

    def read(self, shift: int) -> None:
        """Count the rise since the last reading."""
        halves = tirx.reinterpret(f"int16x{2 * LANES}", self.sums)
        odd = [tirx.const(2 * lane + 1, "int32") for lane in range(LANES)]
        before, self.upper = self.upper, ir.bind(tirx.Shuffle([halves], odd))
        rise = self.upper if before is None else _difference(self.upper, before)
        if shift:
            rise = rise >> _all(shift, "int16")
        self.risen = ir.bind(rise if self.risen is None else self.risen + rise)

    def total(self, shift: int) -> Expr:
        """The true sums, int64x8."""
        wide = f"int64x{LANES}"
        if self.risen is None:
            return self.sums.astype(wide)
        unit, negative = _HALF + shift, _all(0, "int16") - self.risen
        rest = add(self.sums, negative.astype(f"int32x{LANES}") << _all(unit, "int32"))
        return (self.risen.astype(wide) << _all(unit, "int64")) + rest.astype(wide)


def _difference(x: Expr, y: Expr) -> Expr:
    """``x - y`` modulo 2**16, opaque: LLVM would rather subtract first and pick halves then,
    which is twice the work and keeps the accumulators of before."""
    every = _all(True, "bool")
    return tirx.call_llvm_pure_intrin(
        f"int16x{LANES}", "llvm.vp.sub", x, y, every, tirx.const(LANES, "int32")
    )


def _all(value: int, dtype: str) -> Expr:
    return tirx.Broadcast(tirx.const(value, dtype), LANES)
