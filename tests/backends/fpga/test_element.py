"""Processing elements: products, the greater of two, trees of sums, and their results."""

from __future__ import annotations

from itertools import product as combinations

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.units.element import (
    Element,
    greater,
    operand_sum,
    processing_element,
    product,
    tree,
)

from .drive import drive


def codes(bits: int, signed: bool) -> range:
    return range(-(1 << bits - 1), 1 << bits - 1) if signed else range(1 << bits)


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize(
    ("a_bits", "a_signed", "q_bits"),
    [(1, False, 1), (2, False, 2), (3, False, 3), (4, False, 4), (2, False, 5), (3, True, 3),
     (3, True, 5), (4, True, 4), (4, False, 3), (5, False, 4)],
)  # fmt: skip
def test_products_and_their_range(a_bits: int, a_signed: bool, q_bits: int, odd: bool) -> None:
    """Squares by one table, by two, or by a multiplication: exact, within the range."""
    m = Module("product")
    a, q = m.input("a", a_bits), m.input("q", q_bits)
    found = product(a.as_signed() if a_signed else a, q.as_signed(), odd=odd)
    m.output("y", found)
    pairs = list(combinations(codes(a_bits, a_signed), codes(q_bits, True)))
    want = [x * (2 * k + 1 if odd else k) for x, k in pairs]
    given = [{"a": x % (1 << a_bits), "q": k % (1 << q_bits)} for x, k in pairs]
    assert [seen["y"] for seen in drive(m, given)] == want
    assert found.lo <= min(want) and max(want) <= found.hi
    if found.op in ("lookup", "within"):
        assert (found.lo, found.hi) == (min(want), max(want))


@pytest.mark.parametrize(
    ("a_bits", "a_signed", "b_bits", "b_signed"),
    [(3, False, 3, False), (3, True, 3, True), (4, True, 2, True), (3, True, 3, False),
     (2, False, 4, True), (1, False, 1, False), (1, True, 1, True)],
)  # fmt: skip
def test_the_greater_of_two(a_bits: int, a_signed: bool, b_bits: int, b_signed: bool) -> None:
    m = Module("greater")
    a, b = m.input("a", a_bits), m.input("b", b_bits)
    m.output("y", greater(a.as_signed() if a_signed else a, b.as_signed() if b_signed else b))
    pairs = list(combinations(codes(a_bits, a_signed), codes(b_bits, b_signed)))
    given = [{"a": x % (1 << a_bits), "b": y % (1 << b_bits)} for x, y in pairs]
    assert [seen["y"] for seen in drive(m, given)] == [max(pair) for pair in pairs]


@pytest.mark.parametrize("reduction", ["sum", "max"])
@pytest.mark.parametrize("terms", [1, 2, 3, 5, 8])
def test_trees(terms: int, reduction: str) -> None:
    """There are as many register stages as there are halvings."""
    m = Module("tree")
    words = [m.input(f"x{k}", 3).as_signed() for k in range(terms)]
    (result,) = tree(m, words, reduction)
    m.output("y", result)
    stages = (terms - 1).bit_length()
    rng = np.random.default_rng(terms)
    drawn = rng.integers(-4, 4, (12, terms))
    given = [{f"x{k}": int(v) % 8 for k, v in enumerate(row)} for row in drawn]
    seen = [found["y"] for found in drive(m, given)][stages:]
    want = drawn.sum(axis=1) if reduction == "sum" else drawn.max(axis=1)
    assert seen == want.tolist()[: len(seen)]


ELEMENTS = {
    "products": Element(3, False, 5, 3, False, "sum", 12, True),
    "odd products": Element(2, False, 4, 2, True, "sum", 10, True),
    "odd products of a bit": Element(2, False, 3, 1, True, "sum", 8, True),
    "products of two tables": Element(4, False, 3, 4, True, "sum", 12, True),
    "products of signed operands": Element(3, True, 3, 4, False, "sum", 12, True),
    "planes": Element(2, False, 5, 2, True, "sum", 10, True, group=2),
    "planes of three bits": Element(3, False, 4, 3, True, "sum", 12, True, group=1),
    "planes of a bit": Element(2, False, 4, 1, True, "sum", 8, True, group=2),
    "sums": Element(4, False, 3, 0, False, "sum", 8, False),
    "maxima": Element(4, True, 3, 0, False, "max", 4, True),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_results_of_folds(name: str) -> None:
    """Results of three folds each, between which nothing valid comes."""
    e = ELEMENTS[name]
    module = processing_element(e)
    m = Module("unit")
    x = m.input("x", e.simd * e.operand)
    w = m.input("w", e.simd * e.weight) if e.weight else None
    stages = (e.simd - 1).bit_length() + (1 if e.weight else 0)
    ports = {"x": x, **({"w": w} if w is not None else {})}
    for port in ("valid", "first"):
        ports[port] = m.delayed(m.input(port), stages)
    if e.group:
        shared = m.place("offset", operand_sum(e), {"x": x}).outputs["offset"]
        ports["offset"] = shared
    m.output("y", m.place("pe", module, ports).outputs["sum"])
    rng, given, want, total = np.random.default_rng(7), [], [], 0
    for step in range(30):
        a = [int(v) for v in rng.choice(list(codes(e.operand, e.operand_signed)), e.simd)]
        q = [int(v) for v in rng.choice(list(codes(e.weight, True)), e.simd)] if e.weight else []
        valid, first = int(step % 4 != 3), int(step % 4 == 0)
        given.append({"x": _side_by_side(a, e.operand), "valid": valid, "first": first})
        if e.weight:
            given[-1]["w"] = _side_by_side(q, e.weight)
        factors = [2 * k + 1 if e.odd else k for k in q] or [1] * e.simd
        terms = [k * f for k, f in zip(a, factors, strict=True)]
        if valid and e.reduction == "max":
            total = max(terms) if first else max(total, *terms)
        elif valid:
            total = sum(terms) + (0 if first else total)
        want.append(total)
    seen = [found["y"] for found in drive(m, given)]
    assert seen[stages + 1 :] == want[: 30 - stages - 1]


def _side_by_side(values: list[int], bits: int) -> int:
    return sum((v % (1 << bits)) << (k * bits) for k, v in enumerate(values))
