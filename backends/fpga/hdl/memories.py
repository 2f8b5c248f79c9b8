"""The places of memories and tables of constants in synthesis: LUTs, or blocks."""

from __future__ import annotations

from math import ceil

import numpy as np

from .families import Family, LutMemory
from .stores import Memory, Table
from .terms import Terms

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


def place_memory(terms: Terms, memory: Memory, family: Family, masked: int = 0) -> None:
    """Count a memory that is written and read every cycle, at one or several places.

    Args:
        terms: where it is counted.
        memory: of a module.
        family: whose memories.
        masked: ports of which a choice with a constant is all that reads them.
    """
    bits, ports = memory.width, len(memory.reads)
    blocks, levels = min(
        (ceil(bits / width) * ceil(memory.depth / depth), ceil(memory.depth / depth))
        for width, depth in family.blocks
    )
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
        terms.lut["block choice"] += bits * ports * chosen(levels, family)
        terms.ff["ram"] += _bits(levels) * ports
        if around or memory.transparent:  # a word that is written when it is read
            # a LUT has room for a mask, too
            terms.lut["passed by"] += bits * (ports - masked)
            terms.ff["passed by"] += bits
        if memory.transparent:
            terms.lut["same address"] += address * ports
        elif around:  # what is written waits for a cycle
            terms.lut["address passed by"] += address * ports
            terms.ff["passed by"] += bits + address + 2
        return
    terms.lut["ram"] += luts
    terms.lut["ram choice"] += bits * ports * chosen(rows, family) + (rows if rows > 1 else 0)
    # of a transparent one the address is what is kept
    terms.ff["ram"] += (address if memory.transparent else bits) * ports
