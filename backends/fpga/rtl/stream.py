"""Plumbing as hardware: FIFO, fork, width converter, concatenation."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib.memory import Memory

from .parts import Counter, Feed, Unit


class Fifo(Elaboratable):
    """A FIFO whose places are reserved when a token is begun (DATAPATH.md, "Cycles").

    Attributes:
        out: the reader's side.
        room: a place is free.
        reserve: one is taken in this cycle.
        enter, data: the token for it arrives.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        self.out = Feed(width)
        self.room, self.reserve, self.enter = Signal(), Signal(), Signal()
        self.data = Signal(width)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        places = max(2, self.depth)
        m.submodules.memory = memory = Memory(shape=self.width, depth=places, init=[])
        write = memory.write_port()
        read = memory.read_port(transparent_for=(write,))
        head, tail = Counter(places, "head"), Counter(places, "tail")
        reserved, filled = (Signal(range(self.depth + 1), name=n) for n in ("reserved", "filled"))
        head.count(m, self.out.take)
        tail.count(m, self.enter)
        m.d.sync += [
            reserved.eq(reserved + self.reserve - self.out.take),
            filled.eq(filled + self.enter - self.out.take),
        ]
        m.d.comb += [
            write.en.eq(self.enter),
            write.addr.eq(tail.value),
            write.data.eq(self.data),
            read.addr.eq(head.following(self.out.take)),
            self.out.data.eq(read.data),
            self.out.valid.eq(filled != 0),
            self.room.eq(reserved != self.depth),
        ]
        return m


class Fork(Unit):
    """Gives every token to all readers at once."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        fires = self.feeds[0].valid & self.room
        m.d.comb += self.feeds[0].take.eq(fires)
        self.give(m, self.operands(), fires)
        return m


class Converter(Unit):
    """Joins narrow tokens, or cuts wide ones up."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine, feed = self.engine, self.feeds[0]
        token = feed.data
        wide, narrow = max(len(token), len(self.data)), min(len(token), len(self.data))
        phase = Counter(wide // narrow, "phase")
        kept = Signal(wide - narrow, reset_less=True)
        if engine.out_lanes > engine.in_lanes:
            fires = feed.valid & (self.room | ~phase.last)
            joined = Cat(kept, token)
            m.d.comb += [
                feed.take.eq(fires),
                self.reserve.eq(fires & phase.last),
                self.data.eq(joined),
            ]
            with m.If(fires):
                m.d.sync += kept.eq(joined >> narrow)
        else:
            first = phase.value == 0
            fires = self.room & (feed.valid | ~first)
            left = Mux(first, token, kept)
            m.d.comb += [feed.take.eq(fires & first), self.reserve.eq(fires), self.data.eq(left)]
            with m.If(fires):
                m.d.sync += kept.eq(left >> narrow)
        m.d.comb += self.enter.eq(self.reserve)
        phase.count(m, fires)
        return m


class Joiner(Unit):
    """For each pixel the first input's tokens, then the second's."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        period, length = self.engine.timing.take  # type: ignore[union-attr]
        phase = Counter(period, "phase")
        second = Signal()  # a register: one input of the LUT that chooses each bit
        a, b = self.feeds
        fires = self.room & Mux(second, b.valid, a.valid)
        m.d.comb += [a.take.eq(fires & ~second), b.take.eq(fires & second)]
        with m.If(fires & (phase.value == length - 1)):
            m.d.sync += second.eq(1)
        with m.If(fires & phase.last):
            m.d.sync += second.eq(0)
        self.give(
            m,
            [Mux(second, y, x) for x, y in zip(self.operands(0), self.operands(1), strict=True)],
            fires,
        )
        phase.count(m, fires)
        return m
