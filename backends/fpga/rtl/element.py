"""The processing element: a dot product, sum or maximum of SIMD operands a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Shape, Signal, Value

from .parts import register


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
    """

    operand: Shape
    simd: int
    weight: int
    odd: bool
    reduction: str
    accumulator: Shape

    @property
    def name(self) -> str:
        """Name of the module."""
        def text(shape: Shape) -> str:
            return f"{'s' if shape.signed else 'u'}{shape.width}"

        weight = f"_w{'odd' if self.odd else ''}{self.weight}" if self.weight else ""
        return (f"pe_{self.reduction}{self.simd}_{text(self.operand)}{weight}"
                f"_{text(self.accumulator)}")


class Terminals:
    """The ports of a processing element.

    Attributes:
        x, w: operands and weights, the first one lowest.
        valid: what comes out of the tree in this cycle belongs to a result.
        first: to its first fold.
        sum: the accumulator.
    """

    def __init__(self, element: Element) -> None:
        self.element = element
        self.x = Signal(element.simd * element.operand.width, name="x")
        self.w = Signal(max(1, element.simd * element.weight), name="w")
        self.valid, self.first = Signal(name="valid"), Signal(name="first")
        self.sum = Signal(element.accumulator, reset_less=True, name="sum")

    @property
    def inputs(self) -> list[Signal]:
        """Those that the element has."""
        weights = [self.w] if self.element.weight else []
        return [self.x, *weights, self.valid, self.first]


class ProcessingElement(Elaboratable):
    """Register stages: product (if there are weights), adder tree, accumulator."""

    def __init__(self, terminals: Terminals) -> None:
        self.terminals = terminals

    def elaborate(self, platform: Any) -> Module:
        m, t = Module(), self.terminals
        e = t.element
        terms = _cut(t.x, e.operand.width, e.operand.signed)
        if e.weight:
            weights = _cut(t.w, e.weight, True)
            if e.odd:
                weights = [Cat(1, q).as_signed() for q in weights]
            terms = [register(m, a * b) for a, b in zip(terms, weights, strict=True)]
        while len(terms) > 1:
            pairs = zip(terms[::2], terms[1::2], strict=False)
            joined = [register(m, self._both(a, b)) for a, b in pairs]
            terms = joined + [register(m, t) for t in terms[len(joined) * 2 :]]
        with m.If(t.valid):
            m.d.sync += t.sum.eq(Mux(t.first, terms[0], self._both(t.sum, terms[0])))
        return m

    def _both(self, a: Value, b: Value) -> Value:
        return Mux(a > b, a, b) if self.terminals.element.reduction == "max" else a + b


def _cut(data: Value, bits: int, signed: bool) -> list[Any]:
    parts = [data[k : k + bits] for k in range(0, len(data), bits)]
    return [part.as_signed() for part in parts] if signed else parts
