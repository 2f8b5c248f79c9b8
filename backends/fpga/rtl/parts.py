"""What all hardware modules are made of: ports, registers, tables of constants.

Importing this module imports Amaranth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Shape, Signal, Value
from amaranth.lib.memory import Memory
from numpy.typing import NDArray

from n2uqc.passes.program import IntType
from n2uqc.passes.program.types import width_of

from ..engines import Engine

Longs = NDArray[np.int64]


class Feed:
    """What an engine sees of the FIFO in front of it.

    Attributes:
        valid: a token is there.
        data: its elements, the first one lowest.
        take: the engine takes it in this cycle.
    """

    def __init__(self, width: int) -> None:
        self.valid, self.data, self.take = Signal(), Signal(width), Signal()


class Unit(Elaboratable):
    """An engine as hardware.

    Attributes:
        engine: what it implements.
        form: one of ``engine.forms``.
        lut: inputs of the device's LUTs.
        feeds: its inputs.
        room: every FIFO behind has a place.
        reserve: a token is begun in this cycle, and takes one.
        enter: a token enters the FIFOs in this cycle, ``engine.timing.latency`` after it was begun.
        data: its elements.
    """

    def __init__(self, engine: Engine, form: str = "", lut: int = 6) -> None:
        self.engine, self.form, self.lut = engine, form or engine.forms[0], lut
        kinds = engine.inputs or (engine.output,)
        self.feeds = [Feed(engine.in_lanes * kind.bits) for kind in kinds]
        self.room, self.reserve, self.enter = Signal(), Signal(), Signal()
        self.data = Signal(engine.out_lanes * engine.output.bits)

    def operands(self, index: int = 0) -> list[Value]:
        """The elements of an input token."""
        kind = (self.engine.inputs or (self.engine.output,))[index]
        return elements(self.feeds[index].data, kind)

    def give(self, m: Module, lanes: list[Any], fires: Value) -> None:
        """Connect the output: results ``latency`` cycles after ``fires``, cut to their width."""
        m.d.comb += [
            self.reserve.eq(fires),
            self.enter.eq(delayed(m, fires, self.engine.timing.latency, reset=True)),
            self.data.eq(Cat(resized(m, lane, self.engine.output) for lane in lanes)),
        ]


def shape_of(kind: IntType) -> Shape:
    """A register of a tensor's width."""
    return Shape(kind.bits, kind.signed)


def elements(data: Value, kind: IntType) -> list[Value]:
    """A token cut into its elements."""
    parts = [data[k : k + kind.bits] for k in range(0, len(data), kind.bits)]
    return [part.as_signed() for part in parts] if kind.signed else parts


def resized(m: Module, value: Any, kind: IntType) -> Value:
    """What a register of the tensor's width keeps of a value."""
    kept = Signal(shape_of(kind))
    m.d.comb += kept.eq(value)
    return kept


def register(m: Module, value: Any, *, reset: bool = False) -> Value:
    """The value of the cycle before, as wide as it is; only control needs a reset."""
    kept = Signal(Value.cast(value).shape(), reset_less=not reset)
    m.d.sync += kept.eq(value)
    return kept


def delayed(m: Module, value: Any, cycles: int, *, reset: bool = False) -> Value:
    """A value some cycles ago."""
    for _ in range(cycles):
        value = register(m, value, reset=reset)
    return Value.cast(value)


def clamped(value: Value, lo: int, hi: int) -> Value:
    """``value`` within ``lo`` and ``hi``; bounds that it cannot pass cost nothing."""
    low, high = limits(value.shape())
    # both ends are compared with the value itself: side by side, and one LUT a bit chooses
    inside = Mux(Const(hi, value.shape()) < value, hi, value) if hi < high else value
    return Mux(value < lo, lo, inside) if lo > low else inside


def limits(shape: Shape) -> tuple[int, int]:
    """What a shape holds."""
    if shape.signed:
        return -(1 << (shape.width - 1)), (1 << (shape.width - 1)) - 1
    return 0, (1 << shape.width) - 1


def times(value: Value, factor: int) -> Value:
    """A value times a constant by shifts and sums: synthesis would take a multiplier for it."""
    total: Any = None
    shift = 0
    while factor:
        if factor & 1:
            # a run of ones is one subtraction: digits -1, 0, 1 of which no two follow each other
            digit = 2 - (factor & 3)
            factor -= digit
            term = value << shift
            total = term if total is None else total + term if digit > 0 else total - term
            if total is term and digit < 0:
                total = -term
        factor >>= 1
        shift += 1
    return Value.cast(0 if total is None else total)


class Counter:
    """Counts 0 .. period - 1 and begins anew; nothing at all where the period is 1.

    Attributes:
        value: now.
        last: whether it is the period's last.
    """

    def __init__(self, period: int, name: str) -> None:
        self.period = period
        self.value: Any = Signal(range(period), name=name) if period > 1 else Const(0, 1)

    @property
    def last(self) -> Any:
        return self.value == self.period - 1 if self.period > 1 else Const(1, 1)

    def following(self, step: Any) -> Any:
        """The value after this cycle, if it counts when ``step``."""
        if self.period == 1:
            return self.value
        return Mux(step, Mux(self.last, 0, self.value + 1)[: len(self.value)], self.value)

    def count(self, m: Module, step: Any) -> None:
        """Count in the cycles of ``step``."""
        if self.period > 1:
            m.d.sync += self.value.eq(self.following(step))


ROM = "rom_"
"""How names of modules of constants begin.  Synthesis keeps them apart (``KEEP``): mixed with
arithmetic, yosys' ABC9 makes up to four times the LUTs of them."""

KEEP = f"setattr -mod -set keep_hierarchy 1 *.{ROM}*"


class Rom(Elaboratable):
    """Constants, read in the cycle after their address.

    Args:
        width: bits of a word.
        init: the words.
    """

    def __init__(self, width: int, init: list[int]) -> None:
        self.init = init
        self.address, self.data = Signal(range(len(init))), Signal(width)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=len(self.data), depth=len(self.init), init=self.init
        )
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), self.data.eq(port.data)]
        return m


def table(
    m: Module, name: str, values: Longs, address: Any, *, compared: bool = False
) -> list[Value]:
    """Constants (words, lanes), one word read a cycle: the word of the address a cycle ago.

    A memory with a read register, so that it may become block RAM; bits that are the same in all
    words are wiring.  Constants that are ``compared`` are stored with them if they differ at all:
    yosys' ``cmp2lcu`` makes more LUTs of a comparison of which it knows some bits.
    """
    codes = [width_of(int(lane.min()), int(lane.max())) for lane in values.T]
    words = [
        [word & ((1 << bits) - 1) for word, (bits, _) in zip(row, codes, strict=True)]
        for row in values.tolist()
    ]
    # the bits that are not alike in all words are stored
    varying = [
        (k, bit)
        for k, (bits, _) in enumerate(codes)
        for bit in range(bits)
        if len({row[k] >> bit & 1 for row in words}) > 1
    ]
    if compared and varying:
        varying = [(k, bit) for k, (bits, _) in enumerate(codes) for bit in range(bits)]
    stored: dict[tuple[int, int], Value] = {}
    if varying:
        rom = Rom(
            len(varying),
            [
                sum((row[k] >> bit & 1) << at for at, (k, bit) in enumerate(varying))
                for row in words
            ],
        )
        m.submodules[f"{ROM}{name}"] = rom
        m.d.comb += rom.address.eq(address)
        stored = {place: rom.data[at] for at, place in enumerate(varying)}
    lanes: list[Value] = []
    for k, (bits, signed) in enumerate(codes):
        lane = Cat(stored.get((k, bit), Const(words[0][k] >> bit & 1, 1)) for bit in range(bits))
        lanes.append(lane.as_signed() if signed else lane)
    return lanes
