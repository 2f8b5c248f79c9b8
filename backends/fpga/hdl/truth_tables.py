"""What synthesis makes of functions that are given as truth tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Function:
    """A bit of a truth table that is neither constant nor an input.

    Attributes:
        bit: which one.
        inputs: how many inputs it depends on.
        cleared: the highest input's value at which it is constant: a register behind it is set or
            reset there; None if there is no such value.
        alone: inputs of what is left of it then.
    """

    bit: int
    inputs: int
    cleared: bool | None
    alone: int


@cache
def functions(rows: tuple[int, ...], width: int) -> tuple[Function, ...]:
    """Return the different functions of a truth table of so many bits, each once."""
    variables = (len(rows) - 1).bit_length()
    index = range(len(rows))
    inputs = {tuple(k >> bit & 1 for k in index) for bit in range(variables)}
    found: dict[tuple[int, ...], Function] = {}
    for bit in range(width):
        column = tuple((row >> bit) & 1 for row in rows)
        if len(set(column)) == 1 or column in inputs or column in found:
            continue
        half = (1 << variables) // 2
        low, high = column[:half], column[half:]
        cleared, rest = None, column
        if len(set(low)) == 1:
            cleared, rest = False, high
        elif len(set(high)) == 1:
            cleared, rest = True, low
        found[column] = Function(bit, _support(column), cleared, _support(rest))
    return tuple(found.values())


@cache
def has_wires(rows: tuple[int, ...], width: int) -> bool:
    """Tell whether a bit of a truth table is one of its inputs."""
    columns = {tuple((row >> bit) & 1 for row in rows) for bit in range(width)}
    inputs = (tuple(k >> v & 1 for k in range(len(rows))) for v in range(len(rows).bit_length()))
    return not columns.isdisjoint(inputs)


def _support(column: tuple[int, ...]) -> int:
    """Return how many inputs a function depends on; rows that are missing at the end may be any."""
    values = np.array(column, bool)
    rows = np.arange(len(values))
    count = 0
    for v in range((len(column) - 1).bit_length()):
        low = rows[(rows >> v & 1 == 0) & (rows + (1 << v) < len(values))]
        count += bool((values[low] != values[low + (1 << v)]).any())
    return count


def luts(inputs: int, most: int) -> int:
    """Return the LUTs, of ``most`` inputs, of a function of so many; the multiplexers behind them
    are free.
    """
    return 1 << max(0, inputs - most)
