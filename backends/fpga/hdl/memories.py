"""The places of memories, tables of constants and products in synthesis: LUTs, or blocks."""

from __future__ import annotations

from functools import cache
from math import ceil

import numpy as np

from .families import Family, LutMemory
from .stores import Memory, Table
from .terms import Terms
from .words import Word

_CHOICE = 0.5  # cost a bit of choosing between rows of memories


def _bits(period: int) -> int:
    """Return the width of an address."""
    return max(0, (period - 1).bit_length())


def chosen(rows: int, family: Family) -> int:
    """Return the LUTs a bit that choose between rows of memories.

    Of six inputs four at a time; of four inputs two, or with the multiplexers of the slice one
    more at a time, of which four take as many LUTs.
    """
    if family.lut == 6:
        return ceil((rows - 1) / 3)
    return rows - 1 + (rows == 4 and family.wide > 0)


def place_table(terms: Terms, table: Table, family: Family) -> None:
    """Count a table of constants, read one word a cycle."""
    words, bits = table.rows, table.width
    # rows of constants may lie side by side in a block
    blocks, rows = min(
        (ceil(ceil(words / depth) * bits / width), ceil(words / depth))
        for width, depth in family.blocks
    )
    if words * bits > family.rom_bits * family.block * blocks:
        terms.bram18 += blocks
        terms.lut["block choice"] += bits * chosen(rows, family)
        terms.ff["rom"] += _bits(rows)
        return
    inputs, most = _bits(words), family.lut
    functions = 2.0 ** (min(words, 40) - 1) - 1
    held = float(_functions(table))
    terms.ff["rom"] += held
    if words <= 4:  # those of a single input are wires
        terms.lut["rom tiny"] += held * max(0.0, 1 - inputs / functions)
    elif inputs == 3:  # some functions of three inputs are a wire and the register's reset
        terms.lut["rom small"] += held
    elif inputs <= most + family.wide:
        terms.lut["rom"] += held * (1 << max(0, inputs - most))
    else:
        terms.lut["rom deep"] += bits * words / (1 << most)


def _functions(table: Table) -> int:
    """Return the bits of a table's words that no other one equals in all of them."""
    columns = np.packbits(table.bits, axis=0).T
    return len({column.tobytes() for column in columns})


@cache
def distinct_functions(rows: tuple[int, ...], width: int) -> int:
    """Return the bits of a truth table that are functions of their own: neither constant nor an
    input, and no two the same.
    """
    index = range(len(rows))
    columns = {tuple((row >> bit) & 1 for row in rows) for bit in range(width)}
    inputs = {tuple(k >> bit & 1 for k in index) for bit in range(len(rows).bit_length() - 1)}
    return sum(len(set(column)) > 1 for column in columns - inputs)


def _in_luts(memory: Memory, kind: LutMemory, family: Family) -> tuple[float, int, int, int]:
    """Return a memory's cost in LUTs of a kind beside blocks and beside registers, LUTs, rows."""
    ports = len(memory.reads)
    rows, copies = ceil(memory.depth / kind.words), ceil(ports / kind.ports)
    columns = ceil(memory.width / kind.bits)
    counted = memory.width / kind.bits if family.part else columns
    choice = _CHOICE * (rows - 1) * (memory.width * ports + 1)
    cells = rows * columns * copies
    kept = 0 if family.part else memory.width * ports
    return (
        rows * counted * copies * kind.cost + choice,
        cells * kind.cost + kept,
        cells * kind.luts,
        rows,
    )


def place_memory(terms: Terms, memory: Memory, family: Family) -> None:
    """Count a memory that is written and read every cycle, at one or several places."""
    bits, ports = memory.width, len(memory.reads)
    blocks = min(ceil(bits / width) * ceil(memory.depth / depth) for width, depth in family.blocks)
    address, logic = _bits(memory.depth), memory.depth * bits
    around = 0 if memory.transparent else family.around
    in_blocks = (family.block * blocks + around) * ports
    cost, whole, luts, rows = min(
        (_in_luts(memory, kind, family) for kind in family.ram),
        default=(float(logic), in_blocks, 0, memory.depth),
    )
    if not memory.in_luts and logic <= whole:  # a few words are registers
        luts, rows = 0, memory.depth
        terms.ff["ram"] += logic
    elif not memory.in_luts and cost > in_blocks:
        terms.bram18 += blocks * ports
        if around or memory.transparent:  # a word that is written when it is read
            terms.lut["passed by"] += bits * ports
            terms.ff["passed by"] += bits
        if memory.transparent:
            terms.lut["same address"] += address * ports
        elif around:  # what is written waits for a cycle
            terms.lut["passed by"] += address
            terms.ff["passed by"] += bits + address + 2
        return
    terms.lut["ram"] += luts
    terms.lut["ram choice"] += bits * ports * chosen(rows, family) + (rows if rows > 1 else 0)
    # of a transparent one the address is what is kept
    terms.ff["ram"] += (address if memory.transparent else bits) * ports


def blocks_of(a: Word, b: Word, family: Family) -> int:
    """Return the multiplier blocks that synthesis makes of a product; none if it is too narrow, or
    no product.

    A constant counts without its sign.
    """
    wide, narrow = max(a.width, b.width), min(a.width, b.width)
    for factor in (a, b):
        if factor.op == "constant" and not factor.lo & (factor.lo - 1):
            return 0
    if family.dsp is None or wide + narrow < family.least or narrow < 2:
        return 0
    if family.packs > family.dsp[0]:  # parts that are tiny are LUTs
        return sum(min(x, y) >= 2 and x + y >= family.least for x, y in _tiles(a, b, family))
    high, low = ceil((wide - 1) / family.dsp[0]), ceil((narrow - 1) / family.dsp[1])
    return max(1, high) * max(1, low)


def _tiles(a: Word, b: Word, family: Family) -> list[tuple[int, int]]:
    """Return the bits of each product of parts of the operands; both have a sign if one has."""
    parts = []
    for x in (a, b):
        width = x.width + (not x.signed and (a.signed or b.signed))
        rest = width % family.packs
        parts.append([family.packs] * (width // family.packs) + [rest] * (rest > 0))
    return [(x, y) for x in parts[0] for y in parts[1]]


def place_product(terms: Terms, a: Word, b: Word, family: Family) -> None:
    """Count a product: multiplier blocks, or LUTs if it is too narrow."""
    tiles = blocks_of(a, b, family)
    if tiles:
        terms.dsp += tiles
        # a block adds another one's product
        if family.dsp and family.packs > family.dsp[0]:
            tiles = len(_tiles(a, b, family))
        joined = max(0, tiles - (2 if family.adds else 1))
        terms.lut["product join"] += joined * (a.width + b.width)
    elif "constant" not in (a.op, b.op):
        terms.lut["product"] += a.width * b.width
