"""The processing element: a dot product, sum or maximum of SIMD operands a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from n2uqc.passes.program.types import limits_of

from ..hdl.module import Module
from ..hdl.words import ZERO, Operand, Word, choose, constant, elements, join, lookup

TABLE_BITS = 6
"""Inputs of the largest product that is a table: a LUT a bit on AMD devices."""


@dataclass(frozen=True)
class Element:
    """What a processing element is; equal ones are one module.

    Attributes:
        operand, operand_signed: bits and sign of each operand.
        simd: operands a cycle.
        weight: bits of each weight, 0 if nothing is multiplied.
        odd: the weights are 2 q + 1 and q is what is stored, so one bit less.
        reduction: ``sum`` or ``max``.
        accumulator, accumulator_signed: bits and sign.
        group: 0 for a product an operand; else odd weights are summed by bit planes, so many
            operands in the first stage.
    """

    operand: int
    operand_signed: bool
    simd: int
    weight: int
    odd: bool
    reduction: str
    accumulator: int
    accumulator_signed: bool
    group: int = 0

    @property
    def name(self) -> str:
        """Name of the module."""
        weight = f"_w{'odd' if self.odd else ''}{self.weight}" if self.weight else ""
        planes = f"_planes{self.group}" if self.group else ""
        operand = f"{'s' if self.operand_signed else 'u'}{self.operand}"
        accumulator = f"{'s' if self.accumulator_signed else 'u'}{self.accumulator}"
        return f"pe_{self.reduction}{self.simd}_{operand}{weight}_{accumulator}{planes}"

    @property
    def greatest(self) -> int:
        """The largest operand."""
        return limits_of(self.operand, self.operand_signed)[1]

    @property
    def scale(self) -> int:
        """A weight is its code from 0 on, times two to this, less a constant."""
        return int(self.odd)

    @property
    def most_offset(self) -> int:
        """What is taken from a sum of products by codes from 0 on: the operands' sum times that
        constant, 2**weight - 1 of odd weights, else 2**(weight - 1)."""
        constant = (1 << self.weight) - 1 if self.odd else 1 << (self.weight - 1)
        return self.simd * constant * self.greatest


@cache
def processing_element(element: Element) -> Module:
    """Register stages: product (if there are weights), adder tree, accumulator.

    Ports: ``x`` and ``w``, operands and weights, the first one lowest; ``offset`` of a sum of bit
    planes, a cycle before the sum enters the accumulator; ``valid`` and ``first``: what comes out
    of the tree in this cycle belongs to a result, to its first fold; ``sum``, the accumulator.
    """
    e, m = element, Module(element.name)
    terms = elements(m.input("x", e.simd * e.operand), e.operand, e.operand_signed)
    weights = m.input("w", e.simd * e.weight) if e.weight else ZERO
    if e.group:
        term = _planes(m, e, terms, weights)
    else:
        if e.weight:
            pairs = zip(terms, elements(weights, e.weight, True), strict=True)
            terms = [m.register(product(a, q, odd=e.odd)) for a, q in pairs]
        (term,) = tree(m, terms, e.reduction)
    m.output("sum", accumulated(m, e, term, "sum"))
    return m


def accumulated(m: Module, e: Element, term: Word, name: str, start: Operand = 0) -> Word:
    """Return the accumulator, which adds the term (or keeps the greater) when ``valid`` says so,
    and begins anew, from ``start``, with ``first``.
    """
    valid, first = (
        m.inputs[port] if port in m.inputs else m.input(port) for port in ("valid", "first")
    )
    total = m.holder(e.accumulator, name)
    kept = total.as_signed() if e.accumulator_signed else total
    if e.reduction == "max":
        result = choose(first, term, greater(kept, term))
    else:
        result = term + choose(first, start, kept)
    m.assign(total, result.cut(e.accumulator, e.accumulator_signed).extended(e.accumulator), valid)
    return kept


def greater(a: Word, b: Word) -> Word:
    """Return the greater of two numbers.

    Of signed ones the signs are turned around, which makes them numbers from 0 on in the same
    order: else each bit of the choice looks at both signs, as the last step of a carry chain.
    """
    width = max(x.width + (not x.signed) for x in (a, b))
    if not (a.signed or b.signed) or width == 1:
        return choose(b < a, a, b)
    low, high = (_from_zero(x, width) for x in (b, a))
    return choose(low < high, a, b)


def _from_zero(x: Word, width: int) -> Word:
    bits = x.extended(width)
    return join([bits[: width - 1], ~bits[width - 1]])


def tree(m: Module, terms: list[Word], reduction: str, stages: int | None = None) -> list[Word]:
    """Return what the terms reduce to, pair by pair, in so many register stages; all by default."""
    for _ in range((len(terms) - 1).bit_length() if stages is None else stages):
        pairs = zip(terms[::2], terms[1::2], strict=False)
        joined = [m.register(greater(a, b) if reduction == "max" else a + b) for a, b in pairs]
        terms = joined + [m.register(t) for t in terms[len(joined) * 2 :]]
    return terms


def _planes(m: Module, e: Element, terms: list[Word], weights: Word) -> Word:
    """Return the dot product by bit planes of the weights, in as many stages as by products.

    With w = 2 u - n, n = 2**bits - 1 and u the code from 0 on, it is twice the sum of 2**j times
    the operands selected by bit j of u, minus n times the sum of all operands, which all processing
    elements share.
    """
    codes = [join([*q_bits(q)[:-1], ~q[-1]]) for q in elements(weights, e.weight, False)]
    offset = m.input("offset", e.most_offset.bit_length()).within(0, e.most_offset)
    total: Word = ZERO if e.weight == 1 else 0 - offset
    for j in range(e.weight):
        groups = []
        for k in range(0, e.simd, e.group):
            part = slice(k, k + e.group)
            chosen: Word = ZERO
            for a, u in zip(terms[part], codes[part], strict=True):
                chosen = chosen + choose(u[j], a, 0)
            groups.append(m.register(chosen))
        # the last stage adds all that is left
        for plane in tree(m, groups, "sum", (e.simd - 1).bit_length() - 1):
            total = total + (plane << (j + 1))
    if e.weight == 1:  # one difference; of several terms synthesis adds the opposite just as well
        total = total - offset
    return m.register(total.within(-e.most_offset, e.most_offset))


def q_bits(q: Word) -> list[Word]:
    """Return the bits of a word, the lowest first."""
    return [q[k] for k in range(q.width)]


@cache
def operand_sum(element: Element) -> Module:
    """Return the ``offset`` of elements that multiply by codes from 0 on: once for all of them.

    Ports: ``x``, their operands; ``offset``.
    """
    odd = "odd" if element.odd else ""
    m = Module(f"offset{element.simd}_u{element.operand}_w{odd}{element.weight}")
    terms = elements(m.input("x", element.simd * element.operand), element.operand, False)
    while len(terms) > 2:
        terms = tree(m, terms, "sum", 1)
    total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    most = element.most_offset
    scaled = total << (element.weight - 1)
    if element.odd:  # times 2**weight - 1
        scaled = (total << element.weight) - total if element.weight > 1 else total
    result = m.register(scaled).within(0, most)
    m.output("offset", result.extended(most.bit_length()))
    return m


def product(a: Word, q: Word, *, odd: bool) -> Word:
    """Return ``a * q``, or ``a * (2 q + 1)`` if odd; a table if it has at most TABLE_BITS inputs.

    Synthesis would give low-bit products a multiplier block or carry chains.  Wider ones are left
    to it.
    """
    if a.width + q.width <= TABLE_BITS:
        return _table_product(a, q, odd)
    if a.width + 2 <= TABLE_BITS and a.width + q.width - 2 <= TABLE_BITS:
        # w = 8 q' + (2 q" + 1) or 4 q' + q" with two bits of q in q"
        low = _table_product(a, q[:2], odd)
        high = _table_product(a, q[2:].as_signed(), False)
        factors = (2 * q.lo + 1, 2 * q.hi + 1) if odd else (q.lo, q.hi)
        ends = [x * w for x in (a.lo, a.hi) for w in factors]
        return (low + (high << (3 if odd else 2))).within(min(ends), max(ends))
    return a * (join([constant(1), q.extended(q.width)]).as_signed() if odd else q)


def _table_product(a: Word, q: Word, odd: bool) -> Word:
    def value(code: int, of: Word) -> int:
        return code - (1 << of.width) if of.signed and code >> (of.width - 1) else code

    results = [
        value(k, a) * (2 * value(w, q) + 1 if odd else value(w, q))
        for w in range(1 << q.width)
        for k in range(1 << a.width)
    ]
    return lookup(join([a, q]), results)
