"""Counting what engines are made of: terms by name, and the rules by which memories are placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, expm1


@dataclass(frozen=True)
class Device:
    """What synthesis for a family makes of memories, tables and products.

    Attributes:
        lut: inputs of a LUT.
        ram: (words, bits, LUTs, cost) of the memories in LUTs.
        block: cost of a block of RAM.
        rom_bits: bits of constants in LUTs that cost as much as 1.
        blocks: (width, depth) of an 18-Kbit block.
        dsp: bits of the two operands of a multiplier block; None has none.
        least: product bits from which a product goes there.
    """

    lut: int
    ram: tuple[tuple[int, int, int, int], ...]
    block: int
    rom_bits: int
    blocks: tuple[tuple[int, int], ...]
    dsp: tuple[int, int]
    least: int


BLOCKS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
DEVICES: Mapping[str, Device] = {
    "xc7": Device(6, ((32, 6, 4, 8), (64, 3, 4, 8)), 129, 64, BLOCKS, (24, 17), 9),
    "ecp5": Device(4, ((16, 4, 6, 4),), 128, 64, BLOCKS, (17, 17), 4),
}
"""Costs of yosys' ``memory_libmap`` and ``mul2dsp`` rules for the families."""


@dataclass
class Structure:
    """Terms of an engine, by name, and its blocks.

    Attributes:
        lut, ff: terms.
        dsp, bram18: numbers of blocks.
    """

    lut: defaultdict[str, float]
    ff: defaultdict[str, float]
    dsp: int = 0
    bram18: int = 0


def bits_of(period: int) -> int:
    """Width of a counter."""
    return max(0, (period - 1).bit_length())


def digits(value: int) -> int:
    """Terms of a constant in signed digits of which no two follow each other."""
    return bin(value ^ (3 * value)).count("1")


class Count:
    """Gathers the terms of one engine."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.all = Structure(defaultdict(float), defaultdict(float))
        self.tables: defaultdict[tuple[str, int], float] = defaultdict(float)

    def counter(self, period: int) -> None:
        """A counter with its comparison."""
        bits = bits_of(period)
        if bits:
            self.all.lut["counter"] += bits + (1 if period & (period - 1) else 0)
            self.all.lut["counters"] += 1
            self.all.ff["state"] += bits

    def rom(self, words: int, bits: float, address: str = "") -> None:
        """Constants read one word a cycle; ``bits`` of a word that are not alike in all words.

        Tables of one ``address`` share what they have in common; "" shares nothing.
        """
        if words < 2 or not bits:
            return
        blocks = self._blocks(words, ceil(bits))
        if words * bits > self.device.rom_bits * self.device.block * blocks:
            self.all.bram18 += blocks
            self.all.lut["rom block"] += 1
            return
        key = address or f"own {len(self.tables)}"
        self.tables[key, words] += bits

    def finish(self) -> Structure:
        """The terms, tables of constants included."""
        for (_, words), bits in self.tables.items():
            inputs, k = bits_of(words), self.device.lut
            # Columns of few words are functions of few inputs: at random, so many differ by more
            # than an inversion.  Those of a single input are wires.
            functions = 2.0 ** (min(words, 40) - 1) - 1
            held = functions * -expm1(-bits / functions)
            self.all.ff["rom"] += held
            if words <= 4:
                self.all.lut["rom tiny"] += held * max(0.0, 1 - inputs / functions)
            elif inputs <= k + 2:
                # multiplexers behind two and four LUTs are part of the slice
                self.all.lut["rom"] += held * (1 << max(0, inputs - k))
            else:
                self.all.lut["rom deep"] += bits * words / (1 << k)
        return self.all

    def ram(self, words: int, bits: int, ports: int = 1) -> None:
        """A memory written and read every cycle, with so many places read at once."""
        blocks = self._blocks(words, bits)
        luts, rows, cost = min(
            (ceil(words / depth) * ceil(bits / width) * luts, ceil(words / depth),
             ceil(words / depth) * bits / width * cost)
            for depth, width, luts, cost in self.device.ram
        )
        if cost + bits * (rows - 1) > self.device.block * blocks:
            self.all.bram18 += blocks * ports
            self.all.lut["ram block"] += ports
            return
        self.all.lut["ram"] += luts * ports
        self.all.lut["ram choice"] += bits * ports * (rows - 1) / 3 + (rows if rows > 1 else 0)
        self.all.ff["ram"] += bits * ports

    def compare(self, width: int, words: int, copies: int = 1) -> None:
        """Comparisons with one of so many constants.

        A LUT decides whether three bits (of LUTs with six inputs) are equal, another whether they
        are greater; a carry chain joins them (yosys' ``cmp2lcu``).  Constants take no inputs.
        """
        constant = words <= 2
        at_once = self.device.lut if constant else self.device.lut // 2
        name = "compare constant" if constant else "compare"
        self.all.lut[name] += copies * 2 * width / at_once

    def _blocks(self, words: int, bits: int) -> int:
        return min(ceil(bits / width) * ceil(words / depth) for width, depth in self.device.blocks)

    def product(self, a: int, b: int, copies: int = 1) -> int:
        """A product that synthesis makes, in how many multiplier blocks; 0 if it is too narrow."""
        if a + b >= self.device.least and min(a, b) >= 2:
            wide, narrow = self.device.dsp
            high, low = ceil((max(a, b) - 1) / wide), ceil((min(a, b) - 1) / narrow)
            tiles = max(1, high) * max(1, low)
            self.all.dsp += tiles * copies
            self.all.lut["product join"] += (tiles - 1) * (a + b) * copies
            self.all.ff["product join" if tiles > 1 else "product"] += (a + b) * copies
            return tiles
        self.all.lut["product"] += a * b * copies
        self.all.ff["table"] += (a + b) * copies
        return 0
