"""Which bits of which words are looked at, by what each operation means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.netlist import Netlist
from n2uqc.backends.fpga.hdl.words import Word, choose, join, lookup

NONE = (8, 0)
"""Of an input of eight bits from which nothing is looked at."""

Case = tuple[Callable[[Module, Word, Word], Word], Mapping[str, tuple[int, int]]]
LOOKED_AT: dict[str, Case] = {
    "all": (lambda m, x, y: x, {"x": (0, 8), "y": NONE}),
    "a slice": (lambda m, x, y: x[2:5], {"x": (2, 5)}),
    "a slice of a slice": (lambda m, x, y: x[2:7][1:3], {"x": (3, 5)}),
    "shifted up": (lambda m, x, y: (x << 2)[3:6], {"x": (1, 4)}),
    "shifted up, and zeros": (lambda m, x, y: (x << 2)[1:4], {"x": (0, 2)}),
    "zeros alone": (lambda m, x, y: (x << 2)[0:2], {"x": NONE}),
    "shifted down": (lambda m, x, y: (x >> 2)[1:3], {"x": (3, 5)}),
    "by a word": (lambda m, x, y: (x >> y[0:2])[1:3], {"x": (0, 8), "y": (0, 2)}),
    "a sum": (lambda m, x, y: (x + y)[2:4], {"x": (0, 4), "y": (0, 4)}),
    "a difference": (lambda m, x, y: (x - y)[5:6], {"x": (0, 6), "y": (0, 6)}),
    "a product": (lambda m, x, y: (x * y)[1:3], {"x": (0, 3), "y": (0, 3)}),
    "less": (lambda m, x, y: x < y, {"x": (0, 8), "y": (0, 8)}),
    "equal": (lambda m, x, y: x.equals(y), {"x": (0, 8), "y": (0, 8)}),
    "a function": (
        lambda m, x, y: lookup(x[1:4], (0, 7, 1, 5, 2, 6, 3, 4))[1:2], {"x": (1, 4)}
    ),
    "and": (lambda m, x, y: (x & y)[3:5], {"x": (3, 5), "y": (3, 5)}),
    "a choice": (lambda m, x, y: choose(y[7:8], x, y)[1:3], {"x": (1, 3), "y": (1, 8)}),
    "joined": (lambda m, x, y: join([x, y])[6:10], {"x": (6, 8), "y": (0, 2)}),
    "the second of two": (lambda m, x, y: join([x, y])[9:11], {"x": NONE, "y": (1, 3)}),
    "a sign": (lambda m, x, y: x.as_signed().extended(16)[12:14], {"x": (7, 8)}),
    "a register": (lambda m, x, y: m.register(x)[3:5], {"x": (3, 5)}),
    "a bit of a register": (lambda m, x, y: m.register(x)[3:4], {"x": (3, 4)}),
    "registers in a row": (lambda m, x, y: m.delayed(x, 3)[2:4], {"x": (2, 4)}),
    "two readers": (lambda m, x, y: join([x[1:2], x[4:6]]), {"x": (1, 6)}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKED_AT)
def test_bits_that_are_looked_at(name: str) -> None:
    write, expected = LOOKED_AT[name]
    m = Module("small")
    words = {"x": m.input("x", 8), "y": m.input("y", 8)}
    m.output("out", write(m, words["x"], words["y"]))
    m.output("none", words["x"].as_signed() < -200)  # a constant, and both are words of the module
    m.register(join(words.values()))  # nothing reads it
    netlist = Netlist(m)
    found = {n: (netlist.first[at], netlist.need[at])
             for n, at in ((n, netlist.number(words[n])) for n in expected)}  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(("start", "stop", "looked"), [(2, 5, 5), (0, 1, 1), (7, 8, 8)])
def test_a_register_asks_for_what_is_looked_at_of_it(start: int, stop: int, looked: int) -> None:
    """One that adds to itself needs the bits below, too; its enable is a bit."""
    m = Module("sum")
    x, when = m.input("x", 8), m.input("when")
    total = m.holder(8, "total")
    m.assign(total, (total + x)[:8], when)
    m.output("y", total[start:stop])
    netlist = Netlist(m)
    ends = [(netlist.first[n], netlist.need[n]) for n in map(netlist.number, (total, x, when))]
    assert ends == [(0, looked), (0, looked), (0, 1)]


def test_a_kept_word_asks_for_its_own_bits() -> None:
    """The sign of a narrower, signed next value stands for the bits above."""
    m = Module("kept")
    x = m.input("x", 4)
    kept = m.state(-128, 127, name="kept")
    m.assign(kept, x.as_signed())
    for start, stop, ends in ((1, 3, (1, 3)), (3, 4, (3, 4)), (6, 8, (3, 4)), (2, 8, (2, 4))):
        m.outputs.clear()
        m.output("y", kept[start:stop])
        netlist = Netlist(m)
        at = netlist.number(x)
        assert (netlist.first[at], netlist.need[at]) == ends


def test_equal_words_have_one_number() -> None:
    m = Module("equal")
    x, y = m.input("x", 8), m.input("y", 8)
    a, b, other = x + y, x + y, y + x
    for k, word in enumerate((a, b, other)):
        m.output(f"y{k}", word)
    netlist = Netlist(m)
    assert netlist.number(a) == netlist.number(b) != netlist.number(other)
    assert all(max(args, default=-1) < n for n, args in enumerate(netlist.args))


def test_zeros_below_and_what_stands_behind_wiring() -> None:
    m = Module("wiring")
    x, y = m.input("x", 8), m.input("y", 8)
    shifted = ((x << 2).named("w") << 1).extended(12)
    m.output("a", shifted)
    m.output("b", x[3:7] << 1)
    m.output("c", join([x[3:6], y]))
    m.output("d", (x >> 3) << 2)
    netlist = Netlist(m)
    zeros = {port: netlist.zeros(netlist.number(w)) for port, w in m.outputs.items()}
    assert zeros == {"a": 3, "b": 1, "c": 0, "d": 2}
    at_x, at_y = netlist.number(x), netlist.number(y)
    assert {netlist.base(netlist.number(m.outputs[port])) for port in "abd"} == {at_x}
    parts = {port: netlist.parts(netlist.number(w)) for port, w in m.outputs.items()}
    assert parts["c"] == [(at_x, 3, 3), (at_y, 0, 8)]
    assert parts["d"] == [(at_x, 1, 5)]
