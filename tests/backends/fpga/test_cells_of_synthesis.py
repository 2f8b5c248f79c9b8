"""What the cells that yosys lists amount to."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga.rtl.synthesis import Synthesized, cells_of


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
