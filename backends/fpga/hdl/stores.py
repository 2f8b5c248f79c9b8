"""Memories of a module: tables of constants, and those that are written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .words import ZERO, Word

Longs = NDArray[np.int64]


class Table:
    """Constants in a memory, read in the cycle after their address: a module kept to itself.

    Attributes:
        name: in the module.
        rows: words.
        places: (column of ``values``, bit) of each bit of a word, the lowest first.
        values: (words, columns) of integers.
        width: bits of a word.
        address: read in this cycle.
        data: what it says in the next.
    """

    def __init__(
        self, name: str, values: Longs, places: Sequence[tuple[int, int]], address: Word
    ) -> None:
        self.name, self.values, self.places, self.address = name, values, places, address
        self.rows, self.width = len(values), len(places)
        self.data = Word("read", (), 0, (1 << self.width) - 1, self, width=self.width)

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """(words, width) of zeros and ones."""
        columns, shifts = (np.array(part) for part in zip(*self.places, strict=True))
        bits = (self.values[:, columns] >> shifts.astype(self.values.dtype)) & 1
        image: NDArray[np.uint8] = bits.astype(np.uint8)
        return image

    @property
    def words(self) -> list[int]:
        """One integer a word."""
        packed = np.packbits(self.bits, axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in packed]


class Memory:
    """A memory that is written and read every cycle.

    Attributes:
        name: in the module.
        depth, width: words, and bits of each.
        enable, address, data: of the port that writes.
        reads: addresses of the ports that read.
        outputs: what they say a cycle later.
        transparent: a word that is written while it is read is read as written.
        in_luts: synthesis is asked to make LUTs of it.
    """

    def __init__(self, name: str, depth: int, width: int, *, transparent: bool) -> None:
        self.name, self.depth, self.width, self.transparent = name, depth, width, transparent
        self.enable: Word = ZERO
        self.address: Word = ZERO
        self.data: Word = ZERO
        self.reads: list[Word] = []
        self.outputs: list[Word] = []
        self.in_luts = False

    def write(self, enable: Word, address: Word, data: Word) -> None:
        """Connect the port that writes."""
        self.enable, self.address, self.data = enable, address, data

    def read(self, address: Word) -> Word:
        """Return a port that reads: the word of the address a cycle ago."""
        self.reads.append(address)
        output = Word("read", (), 0, (1 << self.width) - 1, (self, len(self.outputs)),
                      width=self.width)  # fmt: skip
        self.outputs.append(output)
        return output


def packed_places(values: Longs, bits: int) -> tuple[Longs, list[tuple[int, int]]]:
    """Return the words of constants (words, lanes, elements) of so many bits each as (words,
    columns), and which bits of them a memory stores.
    """
    flat = values.reshape(len(values), -1)
    return flat, varying_bits(flat, [bits] * flat.shape[1])


def varying_bits(values: Longs, widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return (column, bit) of the bits that differ between words (words, columns)."""
    differ = np.bitwise_or.reduce(values ^ values[:1], axis=0).tolist()
    return [
        (k, bit)
        for k, (mask, bits) in enumerate(zip(differ, widths, strict=True))
        for bit in range(bits)
        if mask >> bit & 1
    ]
