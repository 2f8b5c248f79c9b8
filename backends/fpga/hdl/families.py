"""What synthesis for an FPGA family makes of memories, tables and products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LutMemory:
    """A memory in LUTs.

    Attributes:
        words, bits: of one.
        ports: read by it.
        luts: that it takes.
        cost: to yosys' ``memory_libmap``.
    """

    words: int
    bits: int
    ports: int
    luts: int
    cost: int


@dataclass(frozen=True)
class Family:
    """Costs of yosys' ``memory_libmap`` and ``mul2dsp`` rules, and the cells there are.

    Attributes:
        id, title: short name, and the name shown.
        script: the yosys command that synthesizes for it.
        lut: inputs of a LUT.
        wide: multiplexers in a row that a slice has behind its LUTs: as many inputs more.
        ram: the memories in LUTs; none where writable memories are blocks or registers.
        part: whether a memory of which some bits are left over costs as much less.
        block: cost of a block of RAM, beside ``around`` for what a memory of blocks needs.
        rom_bits: bits of constants in LUTs that cost as much as 1.
        blocks: (width, depth) of a block; where it is smaller than 18 Kbit, such are counted.
        dsp: bits of the two operands of a multiplier block; None where there is none.
        packs: bits of a block's wide operand that several numbers without a sign may lie in.
        least: product bits from which a product goes there.
        carry: bits of a cell of a carry chain.
        least_chain: bits of the shortest carry chain.
        chained: comparisons are carry chains, also with constants, and LUTs are part of the cells.
        adds: synthesis gives a multiplier block sums behind its product, and registers (yosys does
            not for UltraScale+, whose blocks could).
        shifts: registers in a row from which on they are a shift register in a LUT; 0 for none.
        inverters: controls of registers, "enable" or "reset", whose opposite a LUT makes.
    """

    id: str
    title: str
    script: str
    lut: int
    wide: int
    ram: tuple[LutMemory, ...]
    part: bool
    block: int
    around: int
    rom_bits: int
    blocks: tuple[tuple[int, int], ...]
    dsp: tuple[int, int] | None
    packs: int
    least: int
    carry: int
    least_chain: int
    chained: bool
    adds: bool
    shifts: int
    inverters: tuple[str, ...] = ()


_BLOCKS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))

XC7 = Family(
    "xc7",
    "AMD 7 series",
    "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top top",
    6,
    2,
    (
        LutMemory(32, 6, 1, 4, 8),
        LutMemory(64, 3, 1, 4, 8),
        LutMemory(32, 2, 3, 4, 7),
        LutMemory(64, 1, 3, 4, 7),
    ),
    True,
    129,
    0,
    64,
    _BLOCKS,
    (24, 17),
    24,
    9,
    4,
    3,
    False,
    True,
    3,
)

ECP5 = Family(
    "ecp5",
    "Lattice ECP5",
    "synth_ecp5 -top top",
    4,
    3,
    (LutMemory(16, 4, 1, 6, 4),),
    False,
    128,
    8,
    16,
    _BLOCKS,
    (17, 17),
    18,
    4,
    2,
    5,
    True,
    False,
    0,
    ("reset",),
)

XCUP = replace(
    XC7,
    id="xcup",
    title="AMD UltraScale+",
    script="synth_xilinx -family xcup -flatten -noiopad -noclkbuf -top top",
    ram=(
        LutMemory(32, 14, 1, 8, 16),
        LutMemory(64, 7, 1, 8, 16),
        LutMemory(32, 4, 3, 8, 16),
        LutMemory(64, 2, 3, 8, 16),
        LutMemory(32, 2, 7, 8, 16),
        LutMemory(64, 1, 7, 8, 16),
    ),
    dsp=(26, 17),
    packs=26,
    adds=False,
)

ICE40 = replace(
    ECP5,
    id="ice40",
    title="Lattice iCE40",
    script="synth_ice40 -dsp -top top",
    wide=0,
    ram=(),
    block=64,
    blocks=((16, 256), (8, 512), (4, 1024), (2, 2048)),
    dsp=(15, 15),
    packs=16,
    least=11,
    carry=1,
    least_chain=3,
    adds=True,
    inverters=("enable", "reset"),
)

GOWIN = replace(
    ECP5,
    id="gowin",
    title="Gowin GW2A",
    script="synth_gowin -family gw2a -top top",
    wide=4,
    ram=(LutMemory(16, 4, 1, 8, 4),),  # a whole configurable unit of 8 LUTs
    carry=1,
    least_chain=3,
    inverters=("enable", "reset"),
)

FAMILIES: Mapping[str, Family] = {f.id: f for f in (XC7, ECP5, XCUP, ICE40, GOWIN)}
"""By short name."""

WITHOUT = " without DSP"


def without_blocks(script: str) -> str:
    """Return the command that leaves multiplier blocks alone."""
    return script.replace(" -dsp", "") if " -dsp" in script else script.replace(" ", " -nodsp ", 1)


VARIANTS: Mapping[str, Family] = {
    **FAMILIES,
    **{
        f"{f.id}{WITHOUT}": replace(
            f, id=f"{f.id}{WITHOUT}", dsp=None, script=without_blocks(f.script)
        )
        for f in FAMILIES.values()
    },
}
"""The same, and each one kept from its multiplier blocks."""
