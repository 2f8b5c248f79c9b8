"""Engines that turn one element into one: requantizer, PReLU, clamp, adder, lookup."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Const, Module, Mux, Value

from .parts import Counter, Longs, Unit, clamped, delayed, register, table


class Elementwise(Unit):
    """PE elements a cycle; ``results`` says what becomes of them."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        fires = Const(1, 1)
        for feed in self.feeds:
            fires = fires & feed.valid
        fires = fires & self.room
        m.d.comb += [feed.take.eq(fires) for feed in self.feeds]
        self.fold = Counter(self.engine.output.shape[2] // self.engine.fold.pe, "fold")
        self.fires = fires
        self.fold.count(m, fires)
        self.give(m, self.results(m), fires)
        return m

    def results(self, m: Module) -> list[Any]:
        """The output's elements, ``latency`` cycles after the operands."""
        raise NotImplementedError

    def address(self, m: Module, stage: int) -> Any:
        """Where a table is read for a stage: a cycle before it is reached."""
        if stage == 0:
            return self.fold.following(self.fires)
        return delayed(m, self.fold.value, stage - 1)

    def row(self, m: Module, name: str, values: Longs, stage: int) -> list[Value]:
        """Constants of the channels, (C,), at a stage: one a lane."""
        words = values.reshape(-1, self.engine.fold.pe)
        return table(m, name, words, self.address(m, stage))


def rounded(value: Value, half: Any) -> Value:
    """``value`` plus what makes a shift round halves away from zero."""
    return value + half - ((value < 0) & (half > 0))


class Requantizer(Elementwise):
    """Product; bias and half; shift; clamp."""

    def results(self, m: Module) -> list[Any]:
        engine: Any = self.engine
        rows, op = engine.rows(), engine.op
        multiplier = self.row(m, "multiplier", rows["multiplier"], 0)
        bias, half = (self.row(m, name, rows[name], 1) for name in ("bias", "half"))
        least = int(rows["shift"].min())
        shift = self.row(m, "shift", rows["shift"] - least, 2)
        lanes = []
        for x, *c in zip(self.operands(), multiplier, bias, half, shift, strict=True):
            product = register(m, x * c[0])
            exact = register(m, rounded(product + c[1], c[2]))
            moved = register(m, (exact >> least) >> c[3])
            lanes.append(register(m, clamped(moved, op.lo, op.hi)))
        return lanes


class PReluUnit(Elementwise):
    """Product; shift; bias; clamp."""

    def results(self, m: Module) -> list[Any]:
        engine: Any = self.engine
        rows, op = engine.rows(), engine.op
        multiplier = self.row(m, "multiplier", rows["multiplier"], 0)
        bias = self.row(m, "bias", rows["bias"], 2)
        half = (1 << op.shift) >> 1
        lanes = []
        for x, slope, offset in zip(self.operands(), multiplier, bias, strict=True):
            negative = x < 0
            product = register(m, Mux(negative, x, 0) * slope)
            kept, bends = register(m, x), register(m, negative)
            bent = register(m, Mux(bends, rounded(product, Const(half)) >> op.shift, kept))
            lanes.append(register(m, clamped(register(m, bent + offset), op.lo, op.hi)))
        return lanes


class ClampUnit(Elementwise):
    """Two comparisons."""

    def results(self, m: Module) -> list[Any]:
        op: Any = self.engine.op
        return [clamped(x, op.lo, op.hi) for x in self.operands()]


class StreamAdder(Elementwise):
    """A sum."""

    def results(self, m: Module) -> list[Any]:
        return [a + b for a, b in zip(self.operands(0), self.operands(1), strict=True)]


class LookupUnit(Elementwise):
    """A memory a lane, addressed by the code."""

    def results(self, m: Module) -> list[Any]:
        engine: Any = self.engine
        levels = engine.values(engine.op.table)
        if len(levels) == 1:
            levels = np.repeat(levels, 2)
        return [
            table(m, f"levels{k}", levels[:, None], code)[0]
            for k, code in enumerate(self.operands())
        ]
