"""Places of memories and tables of constants, by the memories that devices have."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.fpga.hdl.families import ECP5, ICE40, XC7, Family
from n2uqc.backends.fpga.hdl.memories import (
    chosen,
    place_memory,
    place_table,
)
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.stores import Memory
from n2uqc.backends.fpga.hdl.terms import Terms
from n2uqc.backends.fpga.hdl.words import ONE, Word


def number(bits: int, signed: bool = True) -> Word:
    x = Module("m").input("x", bits)
    return x.as_signed() if signed else x


def test_choosing_between_rows_of_memories() -> None:
    """Six inputs take four words and two bits of an address; four inputs take two words and one."""
    assert [chosen(rows, XC7) for rows in (1, 2, 4, 5, 7, 8, 16)] == [0, 1, 1, 2, 2, 3, 5]
    assert [chosen(rows, ICE40) for rows in (1, 2, 3, 4, 5)] == [0, 1, 2, 3, 4]
    assert [chosen(rows, ECP5) for rows in (1, 2, 3, 4, 5)] == [0, 1, 2, 4, 4]


def counted_table(words: int, family: Family, lanes: int = 1, top: int = 1 << 15) -> Terms:
    m, rng = Module("t"), np.random.default_rng(words)
    values = rng.integers(0, top, (words, lanes))
    values[:2] = [[0], [top - 1]]  # every bit differs
    m.table("t", values, m.input("at", max(1, (words - 1).bit_length())))
    terms = Terms()
    place_table(terms, m.tables[0], family)
    return terms


@pytest.mark.parametrize("family", [XC7, ECP5], ids=lambda f: f.id)
def test_a_table_in_luts_takes_a_register_and_a_function_a_bit(family: Family) -> None:
    """A function of more inputs than a LUT has takes twice the LUTs for each."""
    for inputs in range(4, family.lut + 3):
        terms = counted_table(1 << inputs, family)
        each = 1 << max(0, inputs - family.lut)
        assert dict(terms.ff) == {"rom": 15}
        assert dict(terms.lut) == {"rom": 15 * each}
    for words in (5, 8):
        terms = counted_table(words, family)
        assert dict(terms.lut) == {"rom small": terms.ff["rom"]}


def test_tables_of_a_few_words() -> None:
    """A bit that differs in two words is the address; some that differ in more are, too."""
    shares = {2: 0.0, 3: 1 - 2 / 3, 4: 1 - 2 / 7}
    for words, share in shares.items():
        m = Module("t")
        values = np.array([[0b00], [0b11], [0b10], [0b01]])[:words]
        m.table("t", values, m.input("at", 2))
        terms = Terms()
        place_table(terms, m.tables[0], XC7)
        held = terms.ff["rom"]
        assert held == (1 if words == 2 else 2)
        assert dict(terms.lut) == {"rom tiny": pytest.approx(held * share)}


def test_bits_that_are_the_same_in_all_words_of_a_table_are_kept_once() -> None:
    m = Module("t")
    column = np.random.default_rng(0).integers(0, 2, (40, 1))
    m.table("t", np.hstack([column * 3, column]), m.input("at", 6))
    terms = Terms()
    place_table(terms, m.tables[0], XC7)
    assert (dict(terms.ff), dict(terms.lut)) == ({"rom": 1}, {"rom": 1})


@pytest.mark.parametrize(
    ("family", "words", "lanes", "blocks"),
    [(XC7, 1024, 1, 1), (XC7, 4096, 2, 7), (ECP5, 1024, 1, 1)],
)
def test_large_tables_are_blocks(family: Family, words: int, lanes: int, blocks: int) -> None:
    """18 Kbit hold 1,024 words of 15 bits; several are filled, whatever their shape."""
    terms = counted_table(words, family, lanes)
    assert terms.bram18 == blocks
    assert "rom" not in terms.lut


def counted_memory(
    depth: int, width: int, ports: int, family: Family, *, transparent: bool = False
) -> Terms:
    memory = Memory("m", depth, width, transparent=transparent)
    memory.write(ONE, number(8), number(width))
    for _ in range(ports):
        memory.read(number(8))
    terms = Terms()
    place_memory(terms, memory, family)
    return terms


@pytest.mark.parametrize(
    ("depth", "width", "ports", "luts"),
    [(32, 6, 1, 4), (32, 12, 1, 8), (64, 3, 1, 4), (64, 9, 1, 12), (32, 2, 3, 4), (64, 2, 3, 8)],
)
def test_memories_in_luts_of_amd(depth: int, width: int, ports: int, luts: int) -> None:
    """RAM32M is 32 x 6 bits, RAM64M 64 x 3, or as many bits fewer at more places (UG474)."""
    terms = counted_memory(depth, width, ports, XC7)
    assert (terms.lut["ram"], terms.ff["ram"], terms.bram18) == (luts, width * ports, 0)
    assert terms.lut["ram choice"] == 0


@pytest.mark.parametrize("family", [XC7, ECP5, ICE40], ids=lambda f: f.id)
def test_small_memories_are_registers_and_large_ones_blocks(family: Family) -> None:
    """A few words are kept bit by bit, and what is read is chosen from them."""
    few = counted_memory(2, 4, 1, family)
    assert (few.ff["ram"], few.lut["ram"], few.bram18) == (2 * 4 + 4, 0, 0)
    assert few.lut["ram choice"] == 4 * chosen(2, family) + 2
    shape = (512, 36) if family is not ICE40 else (256, 16)
    for ports in (1, 2):
        large = counted_memory(*shape, ports, family)
        assert (large.bram18, large.lut["ram"]) == (ports, 0)
    assert counted_memory(2 * shape[0], 2 * shape[1], 1, family).bram18 == 4


def test_a_large_memory_that_reads_what_is_written() -> None:
    """A word that is written while it is read passes by: a choice a bit and port, if the addresses
    are the same.
    """
    terms = counted_memory(512, 36, 2, XC7, transparent=True)
    assert (terms.bram18, terms.lut["passed by"], terms.lut["same address"]) == (2, 72, 18)
    assert terms.ff["passed by"] == 36
    assert not any(counted_memory(512, 36, 2, XC7).lut.values())
