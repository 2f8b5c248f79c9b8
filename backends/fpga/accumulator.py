"""Accumulators of a fixed width, summed fold by fold as in hardware.

Importing this module imports TVM.
"""

from __future__ import annotations

from collections.abc import Callable

from .lanes import Buffer, EventCounter, Expr, Variable, Wrap, serial, wide


class Accumulators:
    """Registers that wrap at a width, with the exact sums for comparison.

    ``wraps`` counts additions whose result did not fit the width; in modular arithmetic a later
    addition may bring the sum back. ``overflows`` counts results that differ from the exact sum.

    Args:
        dtype: host type that holds ``bound + 2**(bits + 1)`` (``widths.register_dtype``).
        lanes: the numbers of lanes that the generated code uses.
        bits, signed: the width and signedness, known at run time.
    """

    def __init__(self, dtype: str, lanes: set[int], bits: Expr, signed: Expr) -> None:
        self.dtype = dtype
        self._wrap = Wrap(dtype, bits, signed)
        self._wraps, self._overflows = EventCounter(*lanes), EventCounter(*lanes)
        self._registers: dict[int, list[Variable]] = {
            n: [Variable(dtype, n) for _ in range(4)] for n in lanes
        }

    def sum(
        self, lanes: int, folds: Expr, operands: Expr, term: Callable[[Expr], Expr]
    ) -> Variable:
        """Record the sum of ``term(k)`` over ``folds`` folds
        of ``operands`` terms each, in order.
        """
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
        """Record a result that is computed exactly and then reduced to the width."""
        _, exact, kept, _ = self._registers[lanes]
        exact.set(value)
        kept.set(self._wrap(exact.value, lanes))
        self._overflows.add(exact.value != kept.value, lanes)
        return kept.value

    def flush(self, counts: Buffer) -> None:
        """Add the events so far to ``counts``: [wraps, overflows]."""
        self._wraps.flush(counts, 0)
        self._overflows.flush(counts, 1)


def plain_sum(dtype: str, lanes: int, operands: Expr, term: Callable[[Expr], Expr]) -> Variable:
    """Record the sum of ``term(k)`` in registers that no partial sum overflows."""
    total = Variable(dtype, lanes, 0)
    with serial(0, operands) as k:
        total.set(total.value + term(k))
    return total
