"""Counting what engines are made of: terms by name, and the rules by which memories are placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, expm1

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program.types import width_of

from ..units.line_buffer import asked_for_luts

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Device:
    """What synthesis for a family makes of memories, tables and products.

    Attributes:
        lut: inputs of a LUT.
        ram: (words, bits, ports read, LUTs, cost) of the memories in LUTs.
        part: whether a memory of which some bits are left over costs as much less.
        block: cost of a block of RAM, beside ``around`` for what a memory of blocks needs.
        rom_bits: bits of constants in LUTs that cost as much as 1.
        blocks: (width, depth) of an 18-Kbit block.
        dsp: bits of the two operands of a multiplier block; None has none.
        least: product bits from which a product goes there.
        chained: comparisons are carry chains, also with constants.
        adds: a multiplier block adds something to its product, and holds registers.
        shifts: a LUT is a shift register.
    """

    lut: int
    ram: tuple[tuple[int, int, int, int, int], ...]
    part: bool
    block: int
    around: int
    rom_bits: int
    blocks: tuple[tuple[int, int], ...]
    dsp: tuple[int, int]
    least: int
    chained: bool
    adds: bool
    shifts: bool


BLOCKS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
DEVICES: Mapping[str, Device] = {
    "xc7": Device(
        6,
        ((32, 6, 1, 4, 8), (64, 3, 1, 4, 8), (32, 2, 3, 4, 7), (64, 1, 3, 4, 7)),
        True,
        129,
        0,
        64,
        BLOCKS,
        (24, 17),
        9,
        False,
        True,
        True,
    ),
    "ecp5": Device(
        4,
        ((16, 4, 1, 6, 4),),
        False,
        128,
        8,
        16,
        BLOCKS,
        (17, 17),
        4,
        True,
        False,
        False,
    ),
}
"""Costs of yosys' ``memory_libmap`` and ``mul2dsp`` rules for the families."""


CHOICE = 0.5
"""Cost a bit of choosing between rows of memories."""


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


def compared_bits(width: int, end: int) -> int:
    """Bits of a number that tell whether it is below a constant: none below the constant's last
    one, and the sign alone where that is zero."""
    return max(1, width - ((end & -end).bit_length() - 1)) if end else 1


def bits_of(period: int) -> int:
    """Width of a counter."""
    return max(0, (period - 1).bit_length())


def columns(values: Longs) -> tuple[int, int]:
    """Bits of a table (words, lanes) that are not alike in all words, and those no other equals."""
    rows = values.reshape(len(values), -1)
    width = width_of(int(rows.min()), int(rows.max()))[0]
    bits = (rows[:, :, None] >> np.arange(width)) & 1
    bits = bits.reshape(len(rows), -1)
    bits = bits[:, (bits != bits[0]).any(axis=0)]
    marks = np.random.default_rng(0).integers(1, 1 << 62, len(rows))
    return bits.shape[1], len(np.unique(marks @ bits))


def digits(value: int) -> int:
    """Terms of a constant in signed digits of which no two follow each other."""
    return bin(value ^ (3 * value)).count("1")


def _in_luts(
    words: int, bits: int, ports: int, kind: tuple[int, int, int, int, int], device: Device
) -> tuple[float, int, int]:
    """Cost of a memory in LUTs of a kind, LUTs, rows."""
    depth, width, served, luts, cost = kind
    rows, copies = ceil(words / depth), ceil(ports / served)
    columns = ceil(bits / width)
    counted = bits / width if device.part else columns
    choice = CHOICE * (rows - 1) * (bits * ports + 1)
    return rows * counted * copies * cost + choice, rows * columns * copies * luts, rows


class Count:
    """Gathers the terms of one engine."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.all = Structure(defaultdict(float), defaultdict(float))

    def counter(self, period: int) -> None:
        """A counter with its comparison."""
        bits = bits_of(period)
        if bits:
            self.all.lut["counter"] += bits + (1 if period & (period - 1) else 0)
            self.all.lut["counters"] += 1
            self.all.ff["state"] += bits

    def rom(self, words: int, bits: float, distinct: int | None = None) -> None:
        """Constants read one word a cycle.

        Args:
            words: so many.
            bits: of a word, those left out that are alike in all words.
            distinct: bits that no other one equals in all words; by default what is to be expected
                of random constants.
        """
        if words < 2 or not bits:
            return
        # rows of constants may lie side by side in a block
        blocks, rows = min(
            (ceil(ceil(words / depth) * ceil(bits) / width), ceil(words / depth))
            for width, depth in self.device.blocks
        )
        if words * bits > self.device.rom_bits * self.device.block * blocks:
            self.all.bram18 += blocks
            self.all.lut["block choice"] += bits * self.chosen(rows)
            self.all.ff["rom"] += bits_of(rows)
            return
        inputs, k = bits_of(words), self.device.lut
        # bits of few words are functions of few inputs, of which there are only so many
        functions = 2.0 ** (min(words, 40) - 1) - 1
        held = functions * -expm1(-bits / functions) if distinct is None else distinct
        self.all.ff["rom"] += held
        if words <= 4:  # those of a single input are wires
            self.all.lut["rom tiny"] += held * max(0.0, 1 - inputs / functions)
        elif inputs <= k + 2:
            # multiplexers behind two and four LUTs are part of the slice
            self.all.lut["rom"] += held * (1 << max(0, inputs - k))
        else:
            self.all.lut["rom deep"] += bits * words / (1 << k)

    def table(self, values: Longs) -> int:
        """Constants (words, lanes), of which every bit is looked at; bits that are not alike."""
        words = len(values)
        if words < 2:
            return 0
        found, distinct = columns(values)
        self.rom(words, found, distinct)
        return found

    def ram(self, words: int, bits: int, ports: int = 1) -> None:
        """A memory written and read every cycle, with so many places read at once."""
        blocks = min(
            ceil(bits / width) * ceil(words / depth) for width, depth in self.device.blocks
        )
        device = self.device
        cost, luts, rows = min(_in_luts(words, bits, ports, kind, device) for kind in device.ram)
        if (
            not asked_for_luts(words, bits, ports)
            and cost > (device.block * blocks + device.around) * ports
        ):
            self.all.bram18 += blocks * ports
            if device.around:  # a word that is written when it is read
                self.all.lut["passed by"] += bits * ports
                self.all.ff["passed by"] += bits
            return
        self.all.lut["ram"] += luts
        self.all.lut["ram choice"] += bits * ports * self.chosen(rows) + (rows if rows > 1 else 0)
        self.all.ff["ram"] += bits * ports

    def chosen(self, rows: int) -> int:
        """LUTs a bit that choose between rows of memories: of six inputs four at a time, of four
        inputs two, whose multiplexers are part of the slice."""
        return ceil((rows - 1) / 3) if self.device.lut == 6 else ceil(rows / 2) * (rows > 1)

    def sum(self, bits: int) -> int:
        """LUTs of the sum of two numbers of so many bits; a chain may come in cells of two."""
        return 2 * ceil((bits + 1) / 2) if self.device.chained else bits

    def compare(self, width: int, bounds: Longs) -> None:
        """A comparison with one of some constants.

        A LUT decides whether three bits (of LUTs with six inputs) are equal, another whether they
        are greater; a carry chain joins them (yosys' ``cmp2lcu``).  A single constant takes no
        inputs, and no bits below its last one are looked at; nor does what repeats a stored sign
        take inputs.  Some families have a chain of all bits.
        """
        low, high = int(bounds.min()), int(bounds.max())
        if low == high:
            width = compared_bits(width, high + 1)
            if width < 2:
                return
        if self.device.chained:
            self.all.lut["compare"] += width
            return
        stored = min(width, width_of(low, high)[0]) if low < high else 0
        if width <= self.device.lut:  # too short for a chain
            luts = float(min(stored + 1, 2) if stored < width - 1 else width - 1)
        else:
            luts = (width + stored) / (self.device.lut // 2)
        self.all.lut["compare"] += luts

    def product(self, a: int, b: int, copies: int = 1) -> int:
        """A product that synthesis makes, in how many multiplier blocks; 0 if it is too narrow."""
        if a + b >= self.device.least and min(a, b) >= 2:
            wide, narrow = self.device.dsp
            high, low = ceil((max(a, b) - 1) / wide), ceil((min(a, b) - 1) / narrow)
            tiles = max(1, high) * max(1, low)
            self.all.dsp += tiles * copies
            # a block adds another one's product, and holds the register of its own
            joined = max(0, tiles - (2 if self.device.adds else 1))
            self.all.lut["product join"] += joined * (a + b) * copies
            if tiles > 1:
                self.all.ff["product join"] += (a + b) * copies
            elif not self.device.adds:
                self.all.ff["product"] += (a + b) * copies
            return tiles
        self.all.lut["product"] += a * b * copies
        self.all.ff["table"] += (a + b) * copies
        return 0
