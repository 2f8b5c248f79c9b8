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
"""The most that a chunk may add or take away: then the upper half's rise, rounded down as it is,
fits 16 bits."""

LANES = 8
"""Sums side by side, each in 32 bits."""

_HALF = 16
_ADD = "llvm.vector.partial.reduce.add.v8i32.v8i32"


@dataclass(frozen=True)
class Readings:
    """Intervals at which accumulators are read, and the unit in which their rises are counted.

    Attributes:
        count: chunks after each of which accumulators are read; at most one more chunk follows.
        shift: bits of a rise that are dropped; the counts fit 16 bits signed.
    """

    count: int
    shift: int


def readings(chunks: int, bound: int, last: int) -> Readings | None:
    """Return the readings that determine a sum, None if none do.

    Every counted rise drops up to ``2**shift - 1`` units of ``2**16``, and the lower half is never
    counted.  What is dropped, and what the last chunk adds if no reading follows it, must together
    fit 32 bits, because the accumulator itself supplies it.

    Args:
        chunks: how many there are; none adds more than MOST.
        bound: greatest magnitude of the sum and of all sums on the way.
        last: greatest magnitude that the last chunk adds.
    """
    for count, rest in ((chunks - 1, last), (chunks, 0)):
        shift = 0
        while (bound >> _HALF + shift) + count + 1 >= 1 << 15:
            shift += 1
        if rest + (count * ((1 << shift) - 1) + 1 << _HALF) <= 1 << 31:
            return Readings(count, shift)
    return None


def add(x: Expr, y: Expr) -> Expr:
    """Compute ``x + y``, int32x8, modulo 2**32.

    An ordinary sum would not do: TVM promises LLVM that those do not wrap around.
    """
    return tirx.call_llvm_pure_intrin(f"int32x{LANES}", _ADD, x, y)


def boundary(*values: Expr) -> None:
    """Keep instructions from moving across this place; the values are computed before it.

    Costs no instruction.  Without it LLVM's scheduler delays whatever nothing waits for, runs out
    of registers, and spills to the stack.
    """
    ir.evaluate(tirx.call_llvm_intrin("void", "llvm.fake.use", *values))


@dataclass
class WrappingSums:
    """Eight running sums.

    Attributes:
        sums: the accumulators, int32x8.
        upper: their upper halves when last read, int16x8.
        risen: count of rises, int16x8.
    """

    sums: Expr = None
    upper: Expr = None
    risen: Expr = None

    def accumulate(self, products: Expr) -> None:
        """Add one more product to each, int32x8."""
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
        """Return the true sums, int64x8."""
        wide = f"int64x{LANES}"
        if self.risen is None:
            return self.sums.astype(wide)
        unit, negative = _HALF + shift, _all(0, "int16") - self.risen
        rest = add(self.sums, negative.astype(f"int32x{LANES}") << _all(unit, "int32"))
        return (self.risen.astype(wide) << _all(unit, "int64")) + rest.astype(wide)


def _difference(x: Expr, y: Expr) -> Expr:
    """Compute ``x - y`` modulo 2**16, hidden from LLVM's optimizer.

    It would subtract whole accumulators first and take their halves afterwards, which is twice the
    work and keeps the old accumulators in registers.
    """
    every = _all(True, "bool")
    return tirx.call_llvm_pure_intrin(
        f"int16x{LANES}", "llvm.vp.sub", x, y, every, tirx.const(LANES, "int32")
    )


def _all(value: int, dtype: str) -> Expr:
    return tirx.Broadcast(tirx.const(value, dtype), LANES)
