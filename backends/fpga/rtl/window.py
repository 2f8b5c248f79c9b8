"""Engines behind a line buffer: matrix-vector, depthwise, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import (
    Cat,
    ClockSignal,
    Const,
    Instance,
    Module,
    Mux,
    ResetSignal,
    Shape,
    Value,
)

from n2uqc.passes.program.types import width_of

from ..engines.window import tree_depth
from .element import Element, ProcessingElement, Terminals, operand_sum
from .line_buffer import LineBuffer, chosen
from .parts import Counter, Longs, Unit, delayed, register, shape_of, table


class WindowUnit(Unit):
    """Line buffer, weights, PE processing elements.

    Attributes:
        element: what each processing element is.
        shared: processing elements are instances of a module of their own instead of logic inside.
    """

    shared = False

    def __init__(self, engine: Any, form: str = "", lut: int = 6) -> None:
        super().__init__(engine, form, lut)
        self.weights = self._weights()
        lowest, highest = (
            (int(self.weights.min()), int(self.weights.max())) if (self.weights.size) else (0, 0)
        )
        self.odd = bool(self.weights.size) and bool((self.weights % 2 != 0).all())
        if self.odd:
            self.weights = (self.weights - 1) // 2
            lowest, highest = (lowest - 1) // 2, (highest - 1) // 2
        bits, signed = width_of(lowest, highest)
        self.weight_bits = (bits if signed else bits + 1) if self.weights.size else 0
        operand = shape_of(engine.inputs[0])
        self.factors = getattr(engine, "factors", None)
        accumulator = shape_of(engine.output)
        if self.factors is not None:
            accumulator = Shape(*width_of(*engine.sum_limits))
        self.element = Element(
            operand,
            engine.fold.simd,
            self.weight_bits,
            self.odd,
            getattr(engine, "reduction", "sum"),
            accumulator,
            max(1, lut // (operand.width + 1)) if self.form == "planes" else 0,
        )

    def _weights(self) -> Longs:
        """(words, PE, SIMD) in the order in which they are used; empty if there are none."""
        engine: Any = self.engine
        pe, simd = engine.fold.pe, engine.fold.simd
        if engine.kind == "matrix-vector":
            rows = engine.values(engine.op.weight)
            rows = rows.reshape(len(rows) // pe, pe, -1, simd)
            return np.ascontiguousarray(rows.transpose(0, 2, 1, 3)).reshape(-1, pe, simd)
        if engine.kind == "depthwise":
            taps = engine.weights()
            taps = taps.reshape(-1, simd, taps.shape[1] // pe, pe)
            return np.ascontiguousarray(taps.transpose(2, 0, 3, 1)).reshape(-1, pe, simd)
        return np.zeros((0, pe, simd), np.int64)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine: Any = self.engine
        dense = engine.kind == "matrix-vector"
        taps = max(1, engine.fold.simd // engine.tap_lanes)
        groups = engine.op.groups if dense else 1
        buffer = LineBuffer(
            engine.timing,
            engine.geometry,
            word=len(self.feeds[0].data),
            taps=taps,
            span=max(1, engine.tap_lanes // engine.fold.simd),
            shared=engine.timing.results // groups if dense else 1,
        )
        m.submodules.line_buffer = buffer
        feed, behind = self.feeds[0], buffer.feed
        m.d.comb += [
            behind.valid.eq(feed.valid),
            behind.data.eq(feed.data),
            feed.take.eq(behind.take),
            buffer.room.eq(self.room),
        ]
        words = [
            self._padded(word, inside)
            for word, inside in zip(buffer.words, buffer.inside, strict=True)
        ]
        weights = self._read_weights(m, buffer.step)
        stages = tree_depth(engine.fold.simd) + (2 if self.weight_bits else 1)
        valid = delayed(m, buffer.step, stages, reset=True)
        first = delayed(m, buffer.first, stages)
        offset = operand_sum(m, Cat(words), self.element) if self.element.group else Const(0)
        sums = []
        for k in range(engine.fold.pe):
            # all elements see the same words, or each its own channel of every tap
            part = (
                slice(None)
                if dense
                else slice(k * self.element.operand.width, (k + 1) * self.element.operand.width)
            )
            pe = Terminals(self.element)
            m.d.comb += [
                pe.x.eq(Cat(word[part] for word in words)),
                pe.valid.eq(valid),
                pe.first.eq(first),
            ]
            if self.element.group:
                m.d.comb += pe.offset.eq(offset)
            if self.weight_bits:
                m.d.comb += pe.w.eq(weights[k])
            self._place(m, f"pe{k}", pe)
            sums.append(pe.sum)
        if self.factors is not None:
            # of the window that is read now: beside its sum, which it meets behind the accumulator
            row, column = (
                chosen(values.tolist(), at)
                for values, at in zip(self.factors, (buffer.row, buffer.column), strict=True)
            )
            factor = delayed(m, register(m, row * column), stages)
            sums = [register(m, total * factor) for total in sums]
        self.give(m, sums, buffer.step & buffer.last)
        return m

    def _place(self, m: Module, name: str, pe: Terminals) -> None:
        if not self.shared:
            m.submodules[name] = ProcessingElement(pe)
            return
        inputs = {f"i_{port.name}": port for port in pe.inputs}
        m.submodules[name] = Instance(
            self.element.name, i_clk=ClockSignal(), i_rst=ResetSignal(), **inputs, o_sum=pe.sum
        )

    def _padded(self, word: Value, inside: Value) -> Value:
        """A word of the line buffer, or of what stands outside the map."""
        engine: Any = self.engine
        kind, op = engine.inputs[0], engine.op
        if not any(op.pads):
            return word
        value = engine.pad_value() if hasattr(engine, "pad_value") else op.pad_value
        outside, mask = 0, (1 << kind.bits) - 1
        for k in range(engine.in_lanes):
            outside |= (value & mask) << (k * kind.bits)
        return Mux(inside, word, Const(outside, len(word)))

    def _read_weights(self, m: Module, step: Any) -> list[Value]:
        """The weights of each processing element, in the cycle after a step."""
        if not self.weight_bits:
            return []
        at = Counter(len(self.weights), "weight")
        at.count(m, step)
        mask = (1 << self.weight_bits) - 1
        packed = np.zeros(self.weights.shape[:2], object)
        for k in range(self.weights.shape[2]):
            lane = (self.weights[:, :, k] & mask).astype(object)
            packed += lane << (k * self.weight_bits)
        return table(m, "weights", packed, at.value)
