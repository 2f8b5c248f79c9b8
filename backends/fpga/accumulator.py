"""Accumulators of a fixed width, summed fold by fold as hardware sums them.

Importing this module imports TVM.
"""

from __future__ import annotations

from collections.abc import Callable

from .lanes import Buffer, Count, Expr, Register, Wrap, serial, wide


class Accumulators:
    """Lanes of registers that wrap at a width; exact sums are kept track of besides.

    ``wraps`` counts additions that left the width.  Modular arithmetic forgives those that a later
    addition brings back; ``overflows`` counts results that differ from the exact sum.

    Args:
        dtype: host type that holds ``bound + 2**(bits + 1)`` (``widths.register_dtype``).
        lanes: how many side by side, for each shape of code that will use them.
        bits, signed: run-time width.
    """

    def __init__(self, dtype: str, lanes: set[int], bits: Expr, signed: Expr) -> None:
        self.dtype = dtype
        self._wrap = Wrap(dtype, bits, signed)
        self._wraps, self._overflows = Count(*lanes), Count(*lanes)
        self._registers: dict[int, list[Register]] = {
            n: [Register(dtype, n) for _ in range(4)] for n in lanes
        }

    def sum(
        self, lanes: int, folds: Expr, operands: Expr, term: Callable[[Expr], Expr]
    ) -> Register:
        """Record the sum of ``term(k)`` over ``folds`` folds of ``operands`` each, in order."""
        total, partial, lost, excess = self._registers[lanes]
        zero = wide(0, self.dtype, lanes)
        total.set(0)
        lost.set(0)
        with serial(0, folds) as fold:
            partial.set(0)
            with serial(0, operands) as k:
                partial.set(partial.value + term(fold * operands + k))
            exact = total.value + partial.value
            kept = self._wrap(exact, lanes)
            excess.set(exact - kept)
            total.set(kept)
            lost.set(lost.value + excess.value)
            self._wraps.add(excess.value != zero, lanes)
        self._overflows.add(lost.value != zero, lanes)
        return total

    def keep(self, value: Expr, lanes: int) -> Expr:
        """Record a result that is computed exactly and then cut to the width."""
        _, exact, kept, _ = self._registers[lanes]
        exact.set(value)
        kept.set(self._wrap(exact.value, lanes))
        self._overflows.add(exact.value != kept.value, lanes)
        return kept.value

    def flush(self, counts: Buffer) -> None:
        """Add the events so far to ``counts``: [wraps, overflows]."""
        self._wraps.flush(counts, 0)
        self._overflows.flush(counts, 1)


def plain_sum(dtype: str, lanes: int, operands: Expr, term: Callable[[Expr], Expr]) -> Register:
    """Record the sum of ``term(k)`` in registers that no partial sum leaves."""
    total = Register(dtype, lanes, 0)
    with serial(0, operands) as k:
        total.set(total.value + term(k))
    return total
