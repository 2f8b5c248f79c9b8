"""Threshold units: code = number of bounds below the operand, for N2UQ and uniform quantizers.

The formulas come from synthesized units (see ``technology.py``): parallel N*c(W) + decode(N);
binary search levels*c(W) with one memory per level, of (channels per lane) * 2**level words (FINN's
RTL thresholding has the same stages).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..technology import Basis, Technology
from .resources import Memory, Resources, Unit, place, total


@dataclass(frozen=True)
class Table:
    """The comparison table of a lane.

    Attributes:
        width: bits of the operand.
        steps: comparisons, 2**b - 1 for a monotone table of b bits.
        bits: of the code.
        shape: ``rising``; ``monotone``, where one bit per channel selects falling codes; ``mixed``,
            where each step has a sign.
    """

    width: int
    steps: int
    bits: int
    shape: Literal["rising", "monotone", "mixed"] = "rising"


def parallel(table: Table, channels: int, technology: Technology) -> Unit:
    """Return a unit that makes all comparisons in parallel.

    Args:
        table: the comparison table.
        channels: channels that share the lane, the words of its table memory.
        technology: the family.
    """
    width, steps = table.width, table.steps
    compare, decode = technology.comparator.at(width), technology.decode.at(steps)
    basis = max(compare.basis, decode.basis, Basis.FIT)
    turn = 0 if table.shape == "rising" else table.bits
    logic = Resources(steps * compare.value + decode.value + turn, table.bits, basis=basis)
    signs = {"rising": 0, "monotone": 1, "mixed": steps + table.bits}[table.shape]
    word = steps * width + signs
    return Unit(
        "parallel",
        logic if steps else Resources(),
        place(Memory(word, channels), technology),
        word * channels,
        word if channels > 1 else 0,
    )


def binary_search(table: Table, channels: int, technology: Technology) -> Unit:
    """Return a pipelined unit of one comparison per level, with the throughput of ``parallel``.

    Every level except the last has registers of the operand and the position found so far. A mixed
    table has a lookup of the code after the last level. Arguments are those of ``parallel``.
    """
    width, levels = table.width, table.steps.bit_length()
    compare = technology.binary_comparator.at(width)
    ff = sum(width + level for level in range(1, levels)) + table.bits
    turn = table.bits if table.shape == "monotone" else 0
    logic = Resources(levels * compare.value + turn, ff, basis=max(compare.basis, Basis.FIT))
    memories = [Memory(width, channels << level) for level in range(levels)]
    if table.shape == "monotone":
        memories.append(Memory(1, channels))
    elif table.shape == "mixed":
        memories.append(Memory(table.bits, channels << levels))
    return Unit(
        "binary search",
        logic,
        total(place(m, technology) for m in memories),
        sum(m.bits for m in memories),
        sum(m.width for m in memories if m.depth > 1),
        max(levels, 1),
    )


def cheapest(table: Table, channels: int, technology: Technology) -> Unit:
    """Return the form with fewer block RAMs, then fewer LUTs, including parameter memory."""
    forms = [form(table, channels, technology) for form in (parallel, binary_search)]
    return min(forms, key=lambda u: (u.resources.bram18, u.resources.lut))
