"""Uneven levels by bit planes: counts of pairs of bits, then a coefficient for each count.

A level is a sum of coefficients over sets of its code's bits, f(a) = sum_p f_p A_p, each A_p the
product of a set's bits; so is that of a weight, g(w) = g_0 + sum_q g_q B_q.  A dot product is then

    sum f(a) g(w) = sum_pq f_p g_q (number of lanes with A_p and B_q) + g_0 sum f(a)

The counts are accumulated over the cycles of a result; then each is multiplied once, while the next
result is counted.  The last sum is the same for all elements: ``plane_offset``.  Of levels on bases
(LQ-Nets) only sets of one bit have coefficients.  Levels that are sign-symmetric with a zero are
counted up and down by the sign, g(w) = +- sum_q g_q B_q over the magnitude's bits: half of the
counts or fewer, and no offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from ..engines.window import tree_depth
from ..hdl.module import Module
from ..hdl.words import ONE, Word, choose, constant, elements, join, lookup, times
from .element import Element, tree
from .levels import coefficients, levels_of

PLANES = ("codebook planes", "codebook symmetric", "lqnets")


@dataclass(frozen=True)
class _Planes:
    """Sets of bits with their coefficients: (set, coefficient), and the weights' constant.

    Attributes:
        operands, weights: of each code.
        constant: what a weight is where no set's bits are 1.
        up_and_down: the highest bit of a weight is its sign.
    """

    operands: tuple[tuple[int, int], ...]
    weights: tuple[tuple[int, int], ...]
    constant: int
    up_and_down: bool


@cache
def _planes(numbers: str, operand: int, weight: int) -> _Planes:
    activations, weights = levels_of(numbers, operand, weight)
    signed = numbers == "codebook symmetric"
    if signed:
        weights = weights[: 1 << (weight - 1)]
    left, right = coefficients(activations), coefficients(weights)
    return _Planes(
        tuple((k, c) for k, c in enumerate(left) if k and c),
        tuple((k, c) for k, c in enumerate(right) if k and c),
        right[0],
        signed,
    )


def offset_name(numbers: str) -> str:
    """Return how names of modules of ``plane_offset`` begin."""
    return f"offset_{numbers.replace(' ', '_')}"


@cache
def plane_offset(element: Element, numbers: str, cycles: int, lut: int) -> Module:
    """Return the sum of all operands' levels times the weights' constant: once for all elements.

    Ports: ``x``, codes of the operands, ``valid`` and ``first`` as of the elements; ``offset``,
    when they take it.
    """
    shape = f"{element.simd}x{cycles}_u{element.operand}w{element.weight}_{element.accumulator}"
    m = Module(f"{offset_name(numbers)}{shape}_lut{lut}")
    levels, _ = levels_of(numbers, element.operand, element.weight)
    codes = elements(m.input("x", element.simd * element.operand), element.operand, False)
    (term,) = tree(m, [m.register(lookup(code, levels)) for code in codes], "sum")
    how = _stages(element, numbers, cycles, lut)
    valid = m.delayed(m.input("valid"), how.behind, reset=True)
    first = m.delayed(m.input("first"), how.behind)
    most = element.simd * cycles * max(levels)
    total = m.holder(most.bit_length(), "sum")
    summed = (term + choose(first, 0, total)).cut(most.bit_length(), False)
    m.assign(total, summed.extended(most.bit_length()), valid)
    kept = m.holder(most.bit_length(), "finished")
    m.assign(kept, total, first)
    finished = m.delayed(kept, how.later - how.behind)
    factor = _planes(numbers, element.operand, element.weight).constant
    m.output("offset", times(finished, factor).cut(element.accumulator, True))
    return m


@cache
def plane_element(element: Element, numbers: str, cycles: int, lut: int) -> Module:
    """Return a processing element: counts of pairs of bits, and multipliers shared over the
    cycles.
    """
    e, m = element, Module(f"{element.name}_{numbers.replace(' ', '_')}{cycles}_lut{lut}")
    planes, how = _planes(numbers, e.operand, e.weight), _stages(e, numbers, cycles, lut)
    shared = numbers.startswith("codebook")  # products of the operands' bits come from outside
    width = (1 << e.operand) - 1 if shared else e.operand
    operands = elements(m.input("x", e.simd * width), width, False)
    weights = elements(m.input("w", e.simd * e.weight), e.weight, False)
    valid, first = m.input("valid"), m.input("first")
    counts, factors = [], []
    for p, left in planes.operands:
        for q, right in planes.weights:
            lanes = []
            for a, w in zip(operands, weights, strict=True):
                one = a[p - 1] if shared else a[p.bit_length() - 1]
                sign = [w[e.weight - 1]] if planes.up_and_down else []
                lanes.append([one, product_of(w, q), *sign])
            groups = _groups(m, lanes, lut)
            (term,) = tree(m, groups, "sum")
            most, signed = e.simd * cycles, planes.up_and_down
            wide = most.bit_length() + signed
            total = m.holder(wide, f"count{p}_{q}")
            kept = total.as_signed() if signed else total
            result = (term + choose(first, 0, kept)).cut(wide, signed)
            m.assign(total, result.extended(wide), valid)
            counts.append(kept)
            factors.append(left * right)
    offset: Word = constant(0)
    if planes.constant:
        offset = m.input("offset", e.accumulator, signed=True)
    m.output("sum", _weighted(m, e, counts, factors, how, first, offset))
    return m


def product_of(code: Word, chosen: int) -> Word:
    """Tell whether all bits of a set are 1."""
    result: Word = ONE
    for k in range(code.width):
        if chosen >> k & 1:
            result = result & code[k]
    return result


def _groups(m: Module, lanes: list[list[Word]], lut: int) -> list[Word]:
    """Return in how many lanes both bits are 1, of as many as a LUT sees; up and down by a third
    bit.
    """
    bits = len(lanes[0])
    each, groups = max(1, lut // bits), []
    for k in range(0, len(lanes), each):
        part = [bit for lane in lanes[k : k + each] for bit in lane]
        values = [_count(code, bits) for code in range(1 << len(part))]
        groups.append(m.register(lookup(join(part), values)))
    return groups


def _count(code: int, bits: int) -> int:
    total = 0
    while code:
        lane = code & ((1 << bits) - 1)
        if lane & 3 == 3:
            total += -1 if lane & 4 else 1
        code >>= bits
    return total


@dataclass(frozen=True)
class Stages:
    """The cycles in which the parts of an element act.

    Attributes:
        counting: from operands until their counts enter the accumulators.
        behind: how much later the offset's do.
        later: from finished counts to the first sum of their products, less one cycle.
        lanes, turns: multipliers of an element, and counts of each.
    """

    counting: int
    behind: int
    later: int
    lanes: int
    turns: int

    @property
    def settled(self) -> int:
        """Cycles from the next result's ``first``, as elements see it, until a result is there."""
        return 1 + self.later + self.turns


def _stages(element: Element, numbers: str, cycles: int, lut: int) -> Stages:
    planes = _planes(numbers, element.operand, element.weight)
    counts = len(planes.operands) * len(planes.weights)
    lanes = ceil(counts / cycles)
    groups = ceil(element.simd / max(1, lut // (2 + planes.up_and_down)))
    behind = tree_depth(element.simd) - tree_depth(groups) if planes.constant else 0
    later = max(1 + tree_depth(lanes), behind)
    return Stages(1 + tree_depth(groups), behind, later, lanes, ceil(counts / lanes))


def stages(element: Element, numbers: str, cycles: int, lut: int) -> Stages:
    """Return the stages of an element of any number system of ``RIVALS``."""
    if numbers in PLANES:
        return _stages(element, numbers, cycles, lut)
    return Stages(1 + tree_depth(element.simd), 0, -1, 1, 0)


def _weighted(
    m: Module,
    e: Element,
    counts: list[Word],
    factors: list[int],
    how: Stages,
    first: Word,
    offset: Word,
) -> Word:
    """Multiply finished counts by their factors, by as few multipliers as the cycles allow."""
    turns, finished = how.turns, []
    for total in counts:
        kept = m.holder(total.width, "finished")
        m.assign(kept, total.extended(total.width), first)
        finished.append(kept.as_signed() if total.signed else kept)
    begins, running, turn = m.register(first, reset=True), ONE, constant(0)
    if turns > 1:
        state = m.state(0, turns, initial=turns, name="turn")
        turn, running = state, state.differs(turns)
        following = choose(running, state + 1, turns)
        m.assign(state, choose(first, 0, following).within(0, turns))
        begins = state.equals(0)
    terms = []
    for lane in range(how.lanes):
        own = finished[lane :: how.lanes]
        chosen = own[0]
        for k, each in enumerate(own[1:], 1):
            chosen = choose(turn.equals(k), each, chosen)
        padded = factors[lane :: how.lanes]
        padded += [0] * ((1 << turn.width) - len(padded))
        factor = lookup(turn, padded) if turns > 1 else constant(padded[0])
        terms.append(m.register(chosen * factor))
    (term,) = tree(m, terms, "sum")
    term = m.delayed(term, how.later - 1 - tree_depth(how.lanes))
    begins, running = (m.delayed(bit, how.later) for bit in (begins, running))
    result = m.holder(e.accumulator, "weighted")
    start = choose(begins, offset, result.as_signed()) if turns > 1 else offset
    added = (term + start).cut(e.accumulator, True).extended(e.accumulator)
    m.assign(result, added, running if turns > 1 else begins)
    return result.as_signed()
