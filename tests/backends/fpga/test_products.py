"""Products in multiplier blocks, by what data sheets say of these, and in LUTs."""

from __future__ import annotations

import pytest

from n2uqc.backends.fpga.hdl.families import ECP5, FAMILIES, GOWIN, ICE40, XC7, XCUP, Family
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.products import blocks_of, place_product
from n2uqc.backends.fpga.hdl.sums import chain, short_sum
from n2uqc.backends.fpga.hdl.terms import Terms
from n2uqc.backends.fpga.hdl.words import Word, constant


def number(bits: int, signed: bool = True) -> Word:
    x = Module("m").input("x", bits)
    return x.as_signed() if signed else x


@pytest.mark.parametrize(
    ("family", "wide", "narrow"),
    [(XC7, 25, 18), (XCUP, 27, 18), (ECP5, 18, 18), (ICE40, 16, 16), (GOWIN, 18, 18)],
    ids=lambda x: getattr(x, "id", x),
)
def test_a_product_takes_the_multipliers_that_its_operands_fill(
    family: Family, wide: int, narrow: int
) -> None:
    """A data sheet's multiplier takes two signed numbers of so many bits (UG479, UG579, FPGA-TN-
    02205, FPGA-TN-02007, UG287); of what is split each further part is one bit less.
    """
    assert blocks_of(number(wide), number(narrow), family) == 1
    assert blocks_of(number(narrow), number(wide), family) == 1
    for more in (2, wide - 2):
        assert blocks_of(number(wide + more), number(narrow), family) == 2
        assert blocks_of(number(wide + more), number(2 * narrow - 2), family) == 4
        assert blocks_of(number(narrow), number(wide + more), family) == 2


@pytest.mark.parametrize("family", [XC7, XCUP], ids=lambda f: f.id)
def test_amd_splits_where_the_narrow_operand_has_more_than_18_bits(family: Family) -> None:
    wide = number(26 if family is XCUP else 25)
    found = [blocks_of(wide, number(bits), family) for bits in (17, 18, 19, 25)]
    assert found == [1, 1, 2, 2]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)
def test_products_that_take_no_multiplier(family: Family) -> None:
    """Powers of two are wiring, a bit a gate; what is too narrow is LUTs."""
    for factor in (0, 1, 4, 64):
        assert blocks_of(number(20), constant(factor), family) == 0
    assert blocks_of(number(16), constant(100), family) > 0
    assert blocks_of(number(20), number(1, signed=False), family) == 0
    least = family.least
    assert blocks_of(number(least - 2), number(2), family) == 1
    if least > 4:
        assert blocks_of(number(least - 3), number(2), family) == 0
        terms = Terms()
        place_product(terms, number(least - 3), number(2), family)
        assert (dict(terms.lut), terms.dsp) == ({"product": 2 * (least - 3)}, 0)


@pytest.mark.parametrize(
    ("family", "a", "b", "dsp", "joined"),
    [
        (XC7, 25, 18, 1, 0), (XC7, 48, 18, 2, 0), (XC7, 48, 34, 4, 2), (XC7, 70, 18, 3, 1),
        (XCUP, 48, 18, 2, 1), (ICE40, 32, 16, 2, 0), (ICE40, 32, 32, 4, 2), (ICE40, 17, 16, 1, 0),
    ],
    ids=lambda x: getattr(x, "id", x),
)  # fmt: skip
def test_products_of_several_blocks_are_added_up(
    family: Family, a: int, b: int, dsp: int, joined: int
) -> None:
    """A sum takes LUTs; one of them where a block adds another one's."""
    terms = Terms()
    place_product(terms, number(a), number(b), family)
    assert terms.dsp == dsp
    assert terms.lut.get("product join", 0) == joined * (a + b)


@pytest.mark.parametrize(
    ("a", "b", "signed", "dsp", "chains", "short", "mask"),
    [
        (18, 18, True, 1, [], [], 0),
        (20, 20, True, 4, [22, 20], [4], 0),
        (19, 5, True, 1, [6, 6], [], 5),
        (19, 5, False, 1, [6], [], 5),
        (24, 18, True, 2, [24], [], 0),
        (36, 18, True, 2, [36], [], 0),
        (40, 10, True, 3, [32, 14], [], 0),
        (20, 3, True, 2, [5], [], 0),
    ],
)
def test_ecp5_takes_products_apart_in_blocks_of_18_bits(
    a: int, b: int, signed: bool, dsp: int, chains: list[int], short: list[int], mask: int
) -> None:
    """Products are cut as yosys' mul2dsp does: 18 bits of the wider operand and the rest of it,
    whose product is added 18 bits up; a single bit is a mask, and a sign takes it away.  Of 20 by
    20 bits: 2 by 20 is added, in it 2 by 18; and 2 by 18 to 18 by 18, where 2 by 2 bits are a
    block too.
    """
    terms, expected = Terms(), Terms()
    place_product(terms, number(a, signed), number(b, signed), ECP5)
    for bits in chains:
        chain(expected, bits, ECP5)
    assert (terms.dsp, terms.carry) == (dsp, expected.carry)
    assert terms.lut.get("sum", 0) == expected.lut.get("sum", 0)
    assert terms.lut.get("short sum", 0) == sum(short_sum(n, n, ECP5) for n in short)
    assert terms.lut.get("mask", 0) == mask
    assert terms.lut.get("product", 0) == 0
    assert terms.lut.get("product join", 0) == 0
