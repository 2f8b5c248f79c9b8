"""The processing element: a dot product, sum or maximum of SIMD operands a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Elaboratable, Module, Mux, Shape, Signal, Value

from .parts import limits, register

TABLE_BITS = 6
"""Inputs of the largest product that is a table: a LUT a bit on AMD devices."""


@dataclass(frozen=True)
class Element:
    """What a processing element is; equal ones are one Verilog module.

    Attributes:
        operand: bits and sign of each operand.
        simd: operands a cycle.
        weight: bits of each weight, 0 if nothing is multiplied.
        odd: the weights are 2 q + 1 and q is what is stored, so one bit less.
        reduction: ``sum`` or ``max``.
        accumulator: bits and sign.
        group: 0 for a product an operand; else odd weights are summed by bit planes, so many
            operands in the first stage.
    """

    operand: Shape
    simd: int
    weight: int
    odd: bool
    reduction: str
    accumulator: Shape
    group: int = 0

    @property
    def name(self) -> str:
        """Name of the module."""

        def text(shape: Shape) -> str:
            return f"{'s' if shape.signed else 'u'}{shape.width}"

        weight = f"_w{'odd' if self.odd else ''}{self.weight}" if self.weight else ""
        planes = f"_planes{self.group}" if self.group else ""
        return (
            f"pe_{self.reduction}{self.simd}_{text(self.operand)}{weight}"
            f"_{text(self.accumulator)}{planes}"
        )

    @property
    def offset(self) -> Shape:
        """What is taken from a sum of bit planes: the operands' sum times 2**weight - 1."""
        return Shape.cast(range(self.simd * ((1 << self.weight) - 1) * self.greatest + 1))

    @property
    def greatest(self) -> int:
        """The largest operand."""
        return limits(self.operand)[1]


class Terminals:
    """The ports of a processing element.

    Attributes:
        x, w: operands and weights, the first one lowest.
        offset: of a sum of bit planes, a cycle before the sum enters the accumulator.
        valid: what comes out of the tree in this cycle belongs to a result.
        first: to its first fold.
        sum: the accumulator.
    """

    def __init__(self, element: Element) -> None:
        self.element = element
        self.x = Signal(element.simd * element.operand.width, name="x")
        self.w = Signal(max(1, element.simd * element.weight), name="w")
        self.offset = Signal(element.offset, name="offset")
        self.valid, self.first = Signal(name="valid"), Signal(name="first")
        self.sum = Signal(element.accumulator, reset_less=True, name="sum")

    @property
    def inputs(self) -> list[Signal]:
        """Those that the element has."""
        weights = [self.w] if self.element.weight else []
        offset = [self.offset] if self.element.group else []
        return [self.x, *weights, *offset, self.valid, self.first]


class ProcessingElement(Elaboratable):
    """Register stages: product (if there are weights), adder tree, accumulator."""

    def __init__(self, terminals: Terminals) -> None:
        self.terminals = terminals

    def elaborate(self, platform: Any) -> Module:
        m, t = Module(), self.terminals
        e = t.element
        terms = cut(t.x, e.operand.width, e.operand.signed)
        if e.group:
            term = self._planes(m, terms)
        else:
            if e.weight:
                weights = cut(t.w, e.weight, True)
                terms = [
                    register(m, product(m, a, q, odd=e.odd))
                    for a, q in zip(terms, weights, strict=True)
                ]
            term = self._tree(m, terms)[0]
        with m.If(t.valid):
            if e.reduction == "max":
                m.d.sync += t.sum.eq(Mux(t.first, term, self._both(t.sum, term)))
            else:
                m.d.sync += t.sum.eq(term + Mux(t.first, 0, t.sum))
        return m

    def _tree(self, m: Module, terms: list[Any], stages: int | None = None) -> list[Any]:
        """What the terms reduce to, pair by pair, in so many register stages; all by default."""
        for _ in range((len(terms) - 1).bit_length() if stages is None else stages):
            pairs = zip(terms[::2], terms[1::2], strict=False)
            joined = [register(m, self._both(a, b)) for a, b in pairs]
            terms = joined + [register(m, t) for t in terms[len(joined) * 2 :]]
        return terms

    def _both(self, a: Value, b: Value) -> Value:
        return Mux(a > b, a, b) if self.terminals.element.reduction == "max" else a + b

    def _planes(self, m: Module, terms: list[Value]) -> Value:
        """The dot product by bit planes of the weights, in as many stages as by products.

        With w = 2 u - n, n = 2**bits - 1 and u the code from 0 on, it is twice the sum of
        2**j times the operands selected by bit j of u, minus n times the sum of all operands,
        which all processing elements share.
        """
        t = self.terminals
        e = t.element
        codes = [Cat(q[:-1], ~q[-1]) for q in cut(t.w, e.weight, False)]
        total: Any = -t.offset
        for j in range(e.weight):
            groups = []
            for k in range(0, e.simd, e.group):
                part = slice(k, k + e.group)
                chosen: Any = 0
                for a, u in zip(terms[part], codes[part], strict=True):
                    chosen = chosen + Mux(u[j], a, 0)
                groups.append(register(m, narrowed(m, chosen, e.greatest * len(codes[part]))))
            # the last stage adds all that is left
            for plane in self._tree(m, groups, (e.simd - 1).bit_length() - 1):
                total = total + (plane << (j + 1))
        most = e.simd * ((1 << e.weight) - 1) * e.greatest
        return register(m, narrowed(m, total, most, least=-most))


def operand_sum(m: Module, words: Value, element: Element) -> Value:
    """The ``offset`` of processing elements that work by bit planes: once for all of them."""
    terms: list[Any] = cut(words, element.operand.width, False)
    while len(terms) > 2:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        joined = [register(m, a + b) for a, b in pairs]
        terms = joined + [register(m, t) for t in terms[len(joined) * 2 :]]
    total: Any = sum(terms)
    most = element.simd * element.greatest
    total = narrowed(m, total, most)
    scaled = (total << element.weight) - total
    return register(m, narrowed(m, scaled, most * ((1 << element.weight) - 1)))


def product(m: Module, a: Value, q: Value, *, odd: bool) -> Value:
    """``a * q``, or ``a * (2 q + 1)`` if odd; low-bit ones as tables of up to TABLE_BITS inputs.

    Synthesis would give low-bit products a multiplier block or carry chains.  Wider ones are left
    to it.
    """
    if len(a) + len(q) <= TABLE_BITS:
        return _table_product(m, a, q, odd)
    if len(a) + 2 <= TABLE_BITS and len(a) + len(q) - 2 <= TABLE_BITS:
        # w = 8 q' + (2 q" + 1) or 4 q' + q" with two bits of q in q"
        low = _table_product(m, a, q[:2], odd)
        high = _table_product(m, a, q[2:].as_signed(), False)
        total = low + (high << (3 if odd else 2))
        (least, most), (q_least, q_most) = limits(a.shape()), limits(q.shape())
        ends = [x * (2 * w + 1 if odd else w) for x in (least, most) for w in (q_least, q_most)]
        return narrowed(m, total, max(ends), least=min(ends))
    return a * (Cat(1, q).as_signed() if odd else q)


def _table_product(m: Module, a: Value, q: Value, odd: bool) -> Value:
    def value(code: int, of: Value) -> int:
        return code - (1 << len(of)) if of.shape().signed and code >> (len(of) - 1) else code

    results = [
        value(k, a) * (2 * value(w, q) + 1 if odd else value(w, q))
        for w in range(1 << len(q))
        for k in range(1 << len(a))
    ]
    shape = Shape.cast(range(min(0, *results), max(results) + 1))
    found = Signal(shape)
    m.d.comb += found.eq(Array(Const(r, shape) for r in results)[Cat(a, q)])
    return found


def narrowed(m: Module, value: Any, most: int, *, least: int = 0) -> Value:
    """A value that is known to lie between ``least`` and ``most``, in as few bits."""
    kept = Signal(Shape.cast(range(min(least, 0), most + 1)))
    m.d.comb += kept.eq(value)
    return kept


def cut(data: Value, bits: int, signed: bool) -> list[Any]:
    """A word cut into its elements."""
    parts = [data[k : k + bits] for k in range(0, len(data), bits)]
    return [part.as_signed() for part in parts] if signed else parts
