"""Blocks joined to straight runs of code.

An emulator ends a block at every branch, taken or not, and at pages; a core does not stop there.
Cycles are estimated for whole runs, so that what lies in two neighboring blocks overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass

from .count import Blocks

_LONGEST = 4096  # bytes: llvm-mca needs time for each instruction


@dataclass(frozen=True)
class Chain:
    """Code that runs from ``address`` over ``size`` bytes, ``count`` times."""

    address: int
    size: int
    count: int


def chains(blocks: Blocks) -> list[Chain]:
    """Join each block with its follower in memory where both ran equally often."""
    starts = {(address, count): size for (address, size), count in blocks.items()}
    joined, done = [], set()
    for (address, count), size in sorted(starts.items()):
        if (address, count) in done:
            continue
        length = size
        while (address + length, count) in starts and length < _LONGEST:
            done.add((address + length, count))
            length += starts[address + length, count]
        joined.append(Chain(address, length, count))
    return joined
