"""Words, counters and memories as hardware, against Python's integers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga.hdl.module import Counter, Module
from n2uqc.backends.fpga.hdl.words import (
    Word,
    choose,
    clamped,
    constant,
    elements,
    every,
    join,
    lookup,
    times,
)

from .drive import drive

TABLE = [(7 * k) % 13 - 5 for k in range(8)]
Case = tuple[Callable[[Word, Word, Word, Word], Word], Callable[[int, int, int, int], int]]
CASES: dict[str, Case] = {
    "sum": (lambda a, b, c, d: a + b, lambda a, b, c, d: a + b),
    "sum with a constant": (lambda a, b, c, d: 3 + a, lambda a, b, c, d: a + 3),
    "sum with nothing": (lambda a, b, c, d: (a + 0) + (0 + b), lambda a, b, c, d: a + b),
    "difference": (lambda a, b, c, d: a - b, lambda a, b, c, d: a - b),
    "from a constant": (lambda a, b, c, d: 5 - a - 0, lambda a, b, c, d: 5 - a),
    "product": (lambda a, b, c, d: a * b, lambda a, b, c, d: a * b),
    "product with a sign": (lambda a, b, c, d: a * -3, lambda a, b, c, d: a * -3),
    "left": (lambda a, b, c, d: (a << 3) + (b << 0), lambda a, b, c, d: 8 * a + b),
    "right": (lambda a, b, c, d: (a >> 2) + (b >> 0), lambda a, b, c, d: (a >> 2) + b),
    "right by a word": (lambda a, b, c, d: a >> b, lambda a, b, c, d: a >> b),
    "right by a constant word": (lambda a, b, c, d: a >> constant(1), lambda a, b, c, d: a >> 1),
    "less": (lambda a, b, c, d: a < b, lambda a, b, c, d: a < b),
    "greater": (lambda a, b, c, d: a > b, lambda a, b, c, d: a > b),
    "at least": (lambda a, b, c, d: a >= b, lambda a, b, c, d: a >= b),
    "at most": (lambda a, b, c, d: a <= b, lambda a, b, c, d: a <= b),
    "always less": (lambda a, b, c, d: a < 8, lambda a, b, c, d: 1),
    "never less": (lambda a, b, c, d: b < 0, lambda a, b, c, d: 0),
    "equal": (lambda a, b, c, d: a.equals(b), lambda a, b, c, d: a == b),
    "unequal": (lambda a, b, c, d: a.differs(2), lambda a, b, c, d: a != 2),
    "never equal": (lambda a, b, c, d: a.equals(9) | b.equals(-1), lambda a, b, c, d: 0),
    "and": (lambda a, b, c, d: c & d, lambda a, b, c, d: c & d),
    "or": (lambda a, b, c, d: c | d, lambda a, b, c, d: c | d),
    "with constants": (lambda a, b, c, d: (c & 1) | (d & 0), lambda a, b, c, d: c),
    "of bits": (lambda a, b, c, d: b & a[:3], lambda a, b, c, d: b & a & 7),
    "not": (lambda a, b, c, d: ~c, lambda a, b, c, d: 1 - c),
    "slice": (lambda a, b, c, d: a[1:3], lambda a, b, c, d: a >> 1 & 3),
    "bit": (lambda a, b, c, d: b[1], lambda a, b, c, d: b >> 1 & 1),
    "last bit": (lambda a, b, c, d: a[-1], lambda a, b, c, d: a < 0),
    "signed": (lambda a, b, c, d: b.as_signed(), lambda a, b, c, d: b - 8 * (b > 3)),
    "within": (
        lambda a, b, c, d: choose(b < 5, b, 5).within(0, 5) - 1, lambda a, b, c, d: min(b, 5) - 1
    ),
    "cut": (lambda a, b, c, d: (a + b).cut(3, True), lambda a, b, c, d: (a + b + 4) % 8 - 4),
    "cut of no sign": (lambda a, b, c, d: (a * b).cut(4, False), lambda a, b, c, d: a * b % 16),
    "extended": (lambda a, b, c, d: a.extended(7), lambda a, b, c, d: a % 128),
    "joined": (lambda a, b, c, d: join([b, a, d]), lambda a, b, c, d: b + 8 * (a % 16) + 128 * d),
    "chosen": (lambda a, b, c, d: choose(c, a, b), lambda a, b, c, d: a if c else b),
    "of a table": (lambda a, b, c, d: lookup(b, TABLE), lambda a, b, c, d: TABLE[b]),
    "every": (lambda a, b, c, d: every([c, d, b[0]]), lambda a, b, c, d: c & d & b),
    "elements": (
        lambda a, b, c, d: elements(join([a, b, c]), 4, True)[1],
        lambda a, b, c, d: (b + 8 * c + 8) % 16 - 8,
    ),
    "clamped": (lambda a, b, c, d: clamped(a, -3, 5), lambda a, b, c, d: min(max(a, -3), 5)),
    "clamped above": (lambda a, b, c, d: clamped(a, -9, 5), lambda a, b, c, d: min(a, 5)),
    **{f"{n} times": (lambda a, b, c, d, n=n: times(a, n), lambda a, b, c, d, n=n: n * a)
       for n in (0, 1, 3, 6, 11, 44, 63)},
}  # fmt: skip


def test_words() -> None:
    """All operations at all numbers, each within the range that it claims."""
    m = Module("words")
    given_words = m.input("a", 4).as_signed(), m.input("b", 3), m.input("c"), m.input("d")
    words = {name: make(*given_words) for name, (make, _) in CASES.items()}
    for k, word in enumerate(words.values()):
        m.output(f"y{k}", word)
    numbers = list(product(range(-8, 8), range(8), range(2), range(2)))
    given = [{"a": a % 16, "b": b, "c": c, "d": d} for a, b, c, d in numbers]
    for inputs, seen in zip(numbers, drive(m, given), strict=True):
        for k, (name, (_, value)) in enumerate(CASES.items()):
            want = int(value(*inputs))
            assert seen[f"y{k}"] == want, (name, inputs)
            assert words[name].lo <= want <= words[name].hi, (name, inputs)


@pytest.mark.parametrize("period", [1, 2, 3, 4, 7])
def test_counters(period: int) -> None:
    """Steps drawn at random; one of them is begun anew now and then."""
    m = Module(f"counter{period}")
    step, anew = m.input("step"), m.input("anew")
    plain, cut = Counter(m, period, "plain"), Counter(m, period, "cut", initial=period - 1)
    plain.count(step)
    cut.count_from(step, anew)
    words = {"now": plain.value, "last": plain.last, "next": plain.following(step),
             "other": cut.value, "end": cut.last}  # fmt: skip
    for name, word in words.items():
        m.output(name, word)
    m.output("clock", m.register(step))
    rng, now, other = np.random.default_rng(period), 0, period - 1
    given = [{"step": int(rng.random() < 0.7), "anew": int(rng.random() < 0.2)} for _ in range(60)]
    for inputs, seen in zip(given, drive(m, given), strict=True):
        following = (now + inputs["step"]) % period
        assert (seen["now"], seen["last"], seen["next"]) == (now, now == period - 1, following)
        assert (seen["other"], seen["end"]) == (other, other == period - 1)
        now = following
        if inputs["step"]:
            other = 0 if inputs["anew"] else (other + 1) % period


@pytest.mark.parametrize("transparent", [False, True])
def test_memories(transparent: bool) -> None:
    """Two places are read while one is written: the word before it, or the new one."""
    m = Module("memory")
    memory = m.memory("words", 8, 5, transparent=transparent)
    memory.write(m.input("enable"), m.input("at", 3), m.input("data", 5))
    for k in range(2):
        m.output(f"y{k}", memory.read(m.input(f"from{k}", 3)))
    rng = np.random.default_rng(1)
    names = {"enable": 2, "at": 8, "data": 32, "from0": 8, "from1": 8}
    given = [{name: int(rng.integers(top)) for name, top in names.items()} for _ in range(80)]
    held, expected = [0] * 8, [{"y0": 0, "y1": 0}]
    for inputs in given:
        before = list(held)
        if inputs["enable"]:
            held[inputs["at"]] = inputs["data"]
        read = held if transparent else before
        expected.append({f"y{k}": read[inputs[f"from{k}"]] for k in range(2)})
    assert drive(m, given)[1:] == expected[1:-1]


def test_tables() -> None:
    """Lanes of both signs, some bits of which never change, a cycle after the address."""
    m = Module("tables")
    values = np.array([[-3, 8, 5, 0], [2, 9, 5, 64], [-8, 12, 5, 64], [7, 8, 5, 0], [0, 13, 5, 0]])
    at = m.input("at", 3)
    for k, lane in enumerate(m.table("lanes", values, at)):
        m.output(f"y{k}", lane)
    codes = np.array([[[1, 2], [3, 0]], [[1, 3], [0, 0]], [[1, 0], [2, 1]]])
    for k, lane in enumerate(m.packed_table("codes", codes, 2, at)):
        m.output(f"z{k}", lane)
    seen = drive(m, [{"at": k} for k in (0, 1, 2, 0, 2, 1)])
    for row, found in zip((0, 1, 2, 0, 2), seen[1:], strict=True):
        assert [found[f"y{k}"] for k in range(4)] == values[row].tolist()
        assert [found[f"z{k}"] for k in range(2)] == (codes[row] @ [1, 4]).tolist()


@pytest.mark.parametrize("width", [1, 8, 63, 64, 65, 200])
def test_inputs_lie_within_their_bits(width: int) -> None:
    x = Module("m").input("x", width)
    assert (x.lo, x.hi, x.width) == (0, 2**width - 1, width)
