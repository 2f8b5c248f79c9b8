"""What the cells that yosys lists amount to."""

from __future__ import annotations

import re
from math import ceil

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga.rtl.synthesis import _MEMORY_LUTS, Synthesized, cells_of


def test_amd() -> None:
    """A 36-Kbit block counts twice; memories and shift registers are LUTs."""
    cells = {
        "LUT2": 5, "LUT6": 7, "RAM32M": 2, "RAM64M": 1, "RAM128X1D": 3, "RAM256X1S": 1,
        "RAM64X1D": 2, "RAM32M16": 1, "SRL16E": 4, "SRLC32E": 6, "FDRE": 9, "FDSE": 2, "CARRY4": 8,
        "DSP48E1": 3, "RAMB18E1": 4, "RAMB36E1": 5, "MUXF7": 11, "OBUF": 1,
    }  # fmt: skip
    memory = 2 * 4 + 4 + 3 * 4 + 4 + 2 * 2 + 8 + 4 + 6
    assert cells_of(cells, "xc7") == Synthesized(5 + 7 + memory, memory, 11, 8, 3, 4 + 2 * 5)
    assert cells_of({}, "xc7") == Synthesized(0, 0, 0, 0, 0, 0)


def test_lattice() -> None:
    """Two LUTs are part of a carry cell, six of a memory of four bits."""
    cells = {
        "LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7, "MULT18X18D": 2,
        "DP16KD": 3, "PDPW16KD": 1, "PFUMX": 4,
    }  # fmt: skip
    assert cells_of(cells, "ecp5") == Synthesized(10 + 6 + 12, 12, 7, 3, 2, 4)


MEMORIES = re.compile(r"RAM(\d+)(?:X1([SD])|M(\d*))")
OCTAL = {"RAM32M16", "RAM64M8"}
"""Memories of a whole slice of UltraScale+; those of the 7 series are of half a slice."""


@pytest.mark.parametrize("name", [n for n in _MEMORY_LUTS if MEMORIES.fullmatch(n)])
def test_a_lut_holds_64_bits_of_an_amd_memory(name: str) -> None:
    """One port reads and writes; another one reads from LUTs of its own (UG474, UG574)."""
    found = MEMORIES.fullmatch(name)
    assert found
    words, ports = int(found[1]), {"S": 1, "D": 2, None: 8 if name in OCTAL else 4}[found[2]]
    luts = ceil(words / 64) * ports
    assert cells_of({name: 3}, "xc7") == cells_of({name: 3}, "xcup")
    assert cells_of({name: 3, "LUT3": 2}, "xc7") == Synthesized(2 + 3 * luts, 3 * luts, 0, 0, 0, 0)


@pytest.mark.parametrize("name", [n for n in _MEMORY_LUTS if n.startswith("SRL")])
def test_a_shift_register_is_a_lut(name: str) -> None:
    assert cells_of({name: 5}, "xc7") == Synthesized(5, 5, 0, 0, 0, 0)


def test_ice40() -> None:
    """All memories are blocks; a carry cell stands beside its LUT."""
    cells = {
        "SB_LUT4": 10, "SB_CARRY": 3, "SB_DFFE": 4, "SB_DFFSR": 2, "SB_MAC16": 2, "SB_RAM40_4K": 5,
        "SB_RAM40_4KNR": 1, "SB_IO": 7,
    }  # fmt: skip
    assert cells_of(cells, "ice40") == Synthesized(10, 0, 6, 3, 2, 6)


def test_gowin() -> None:
    """A carry cell is a LUT; a memory takes a configurable unit of eight."""
    cells = {
        "LUT1": 1, "LUT4": 9, "ALU": 3, "RAM16SDP4": 2, "DFFCE": 4, "DFFR": 3, "MULT18X18": 2,
        "SDPB": 1, "SPX9": 2, "DPB": 1, "pROM": 1, "MUX2_LUT5": 8,
    }  # fmt: skip
    assert cells_of(cells, "gowin") == Synthesized(10 + 3 + 16, 16, 7, 3, 2, 5)
