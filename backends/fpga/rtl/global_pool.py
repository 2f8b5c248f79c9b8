"""Pools over the whole map: a register a channel, kept in a ring."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.memory import Memory

from .parts import Counter, Unit, elements, register, resized


class GlobalPool(Unit):
    """Sums, or keeps the greatest of, all pixels; gives the results with the last one."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine: Any = self.engine
        folds = engine.output.shape[2] // engine.fold.pe
        fold = Counter(folds, "fold")
        pixel = Counter(engine.inputs[0].shape[0] * engine.inputs[0].shape[1], "pixel")
        feed = self.feeds[0]
        fires = feed.valid & (self.room | ~pixel.last)
        m.d.comb += feed.take.eq(fires)
        fold.count(m, fires)
        pixel.count(m, fires & fold.last)
        old = Signal(len(self.data), reset_less=True)
        lanes = []
        for x, so_far in zip(self.operands(), elements(old, engine.output), strict=True):
            both = Mux(x > so_far, x, so_far) if engine.reduction == "max" else so_far + x
            lanes.append(resized(m, Mux(pixel.value == 0, x, both), engine.output))
        new = Cat(lanes)
        if folds == 1:
            with m.If(fires):
                m.d.sync += old.eq(new)
        else:
            m.submodules.ring = ring = Memory(shape=len(self.data), depth=folds, init=[])
            write = ring.write_port()
            read = ring.read_port(transparent_for=(write,))
            m.d.comb += [
                write.en.eq(fires),
                write.addr.eq(fold.value),
                write.data.eq(new),
                read.addr.eq(fold.following(fires)),
                old.eq(read.data),
            ]
        self.give(m, elements(register(m, new), engine.output), fires & pixel.last)
        return m
