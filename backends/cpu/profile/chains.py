"""Basic blocks joined to straight-line code.

An emulator ends a block at every branch, taken or not, and at page boundaries; a core does not stop
there. Cycles are estimated for longer pieces of code, so that instructions of adjacent blocks can
overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from .count import Blocks

_LONGEST = 4096  # bytes; limits the run time of llvm-mca


@dataclass(frozen=True)
class BlockChain:
    """Straight-line code of ``size`` bytes at ``address`` that runs ``count`` times."""

    address: int
    size: int
    count: int


def chains(blocks: Blocks) -> list[BlockChain]:
    """Join adjacent blocks that ran equally often."""
    starts = {(address, count): size for (address, size), count in blocks.items()}
    joined, done = [], set()
    for (address, count), size in sorted(starts.items()):
        if (address, count) in done:
            continue
        length = size
        while (address + length, count) in starts and length < _LONGEST:
            done.add((address + length, count))
            length += starts[address + length, count]
        joined.append(BlockChain(address, length, count))
    return joined
