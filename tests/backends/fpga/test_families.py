"""Families of FPGAs: what data sheets say of their memories and cells, and yosys' commands."""

from __future__ import annotations

import pytest

from n2uqc.backends.fpga.hdl.families import (
    ECP5,
    FAMILIES,
    GOWIN,
    ICE40,
    VARIANTS,
    WITHOUT,
    XC7,
    XCUP,
    Family,
    LutMemory,
    without_blocks,
)


@pytest.mark.parametrize(("family", "slice_luts"), [(XC7, 4), (XCUP, 8)], ids=["xc7", "xcup"])
def test_memories_of_amd_fill_a_slice(family: Family, slice_luts: int) -> None:
    """A LUT holds 64 words of a bit or 32 of two, for one reader; one LUT writes (UG474, UG574)."""
    shapes = {(m.words, m.ports) for m in family.ram}
    assert shapes == {(w, p) for w in (32, 64) for p in ((1, 3) if family is XC7 else (1, 3, 7))}
    for memory in family.ram:
        assert memory.luts == slice_luts
        assert memory.bits == (slice_luts - 1) // memory.ports * (64 // memory.words)


def test_memories_in_luts_of_others() -> None:
    """16 words of 4 bits: two slices of ECP5 and one more for writing; a unit of Gowin."""
    assert ECP5.ram == (LutMemory(16, 4, 1, 6, 4),)
    assert GOWIN.ram == (LutMemory(16, 4, 1, 8, 4),)
    assert ICE40.ram == ()


def test_costs_of_memories_are_those_of_yosys() -> None:
    """``cost`` in yosys' lutrams_xcv.txt, lutrams_xcu.txt; of blocks in brams_*.txt."""
    assert [m.cost for m in XC7.ram] == [8, 8, 7, 7]
    assert [m.cost for m in XCUP.ram] == [16] * 6
    blocks = {f.id: (f.block, f.around, f.rom_bits, f.part) for f in FAMILIES.values()}
    assert blocks == {
        "xc7": (129, 0, 64, True), "xcup": (129, 0, 64, True),
        "ecp5": (128, 8, 16, False), "gowin": (128, 8, 16, False), "ice40": (64, 8, 16, False),
    }  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)
def test_blocks_hold_18_kbit_with_parity_in_whole_bytes(family: Family) -> None:
    """A block of iCE40 has 4 Kbit; narrower by half is deeper by two."""
    for width, depth in family.blocks:
        if family is ICE40:
            assert width * depth == 4096
        else:
            assert width * depth == (18 << 10 if width % 9 == 0 else 16 << 10)
    depths = [depth for _, depth in family.blocks]
    first, last = (256, 2048) if family is ICE40 else (512, 16384)
    assert (depths[0], depths[-1]) == (first, last)
    assert all(deep == 2 * before for before, deep in zip(depths, depths[1:], strict=False))


def test_cells_of_families() -> None:
    """Inputs of a LUT, multiplexers behind it, bits of a carry cell, of the shortest chain."""
    found = {f.id: (f.lut, f.wide, f.carry, f.least_chain, f.chained) for f in FAMILIES.values()}
    assert found == {
        "xc7": (6, 2, 4, 3, False), "xcup": (6, 2, 4, 3, False), "ecp5": (4, 3, 2, 5, True),
        "ice40": (4, 0, 1, 3, True), "gowin": (4, 4, 1, 3, True),
    }  # fmt: skip
    assert {f.id for f in FAMILIES.values() if f.shifts} == {"xc7", "xcup"}
    assert XC7.shifts == XCUP.shifts == 3
    assert {f.id: f.inverters for f in FAMILIES.values() if f.inverters} == {
        "ecp5": ("reset",), "ice40": ("enable", "reset"), "gowin": ("enable", "reset"),
    }  # fmt: skip
    assert [f.id for f in FAMILIES.values() if f.adds] == ["xc7", "ice40"]


def test_variants_without_multiplier_blocks() -> None:
    assert set(VARIANTS) == {*FAMILIES, *(f"{f}{WITHOUT}" for f in FAMILIES)}
    for name, family in VARIANTS.items():
        assert family.id == name and (family.dsp is None) == name.endswith(WITHOUT)
        assert (" -nodsp" in family.script or " -dsp" in family.script) == (
            (family.dsp is None) != name.startswith("ice40")
        )
    assert without_blocks("synth_ecp5 -top top") == "synth_ecp5 -nodsp -top top"
    assert without_blocks("synth_ice40 -dsp -top top") == "synth_ice40 -top top"
