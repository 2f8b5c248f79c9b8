"""Registers of a module: one for each word, none for constants that nothing resets."""

from __future__ import annotations

from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.words import constant


def test_a_word_is_delayed_by_one_register() -> None:
    m = Module("m")
    x, y = m.input("x", 4), m.input("y", 4)
    kept = m.register(x)
    assert m.register(x) is kept and kept.width == 4
    assert m.register(y) is not kept
    assert m.register(x, reset=True) is not kept
    assert len(m.registers) == 3
    assert m.delayed(x, 0) is x and m.delayed(x, 1) is kept
    assert m.delayed(x, 3) is m.register(m.register(kept)) and len(m.registers) == 5


def test_a_constant_is_not_delayed_unless_it_is_reset() -> None:
    """A register that is reset is another number before the first cycle."""
    m = Module("m")
    three = constant(3)
    assert m.register(three) is three and m.delayed(three, 5) is three
    assert m.register(3).op == "constant" and not m.registers
    assert m.register(three, reset=True) is not three and len(m.registers) == 1


def test_a_holder_has_all_numbers_of_its_bits() -> None:
    m = Module("m")
    kept = m.holder(5, "kept")
    assert (kept.lo, kept.hi, kept.width) == (0, 31, 5)
    assert m.registers == [kept]
