"""What stands between engines: FIFO, fork, width converter, repeater, concatenation."""

from __future__ import annotations

from ..engines.concat import Joiner
from ..engines.stream import Converter, Fork, Repeater
from ..hdl.module import Counter, Module
from ..hdl.words import ONE, choose, join
from .unit import Unit


def fifo(width: int, depth: int) -> Module:
    """Return a FIFO whose places are reserved when a token is begun (DATAPATH.md, "Cycles").

    Ports: ``valid`` and ``data`` show its head, which ``take`` removes; ``room`` says that a place
    is free, ``reserve`` takes it, ``enter`` and ``arriving`` fill it.
    """
    m = Module(f"fifo_{width}x{depth}")
    take, reserve, enter = (m.input(name) for name in ("take", "reserve", "enter"))
    arriving = m.input("arriving", width)
    places = max(2, depth)
    memory = m.memory("memory", places, width, transparent=True)
    head, tail = Counter(m, places, "head"), Counter(m, places, "tail")
    reserved, filled = (m.state(0, depth, name=name) for name in ("reserved", "filled"))
    head.count(take)
    tail.count(enter)
    m.assign(reserved, (reserved + reserve - take).within(0, depth))
    m.assign(filled, (filled + enter - take).within(0, depth))
    memory.write(enter, tail.value, arriving)
    m.output("data", memory.read(head.following(take)))
    m.output("valid", filled.differs(0))
    m.output("room", reserved.differs(depth))
    return m


def fork(unit: Unit[Fork]) -> None:
    """Gives every token to all readers at once."""
    fires = unit.valid[0] & unit.room
    unit.take(fires)
    unit.give(unit.operands(), fires)


def converter(unit: Unit[Converter]) -> None:
    """Joins narrow tokens, or cuts wide ones up."""
    m, engine, token = unit.module, unit.engine, unit.data[0]
    wide = max(engine.in_lanes, engine.out_lanes) * engine.output.bits
    narrow = min(engine.in_lanes, engine.out_lanes) * engine.output.bits
    phase = Counter(m, wide // narrow, "phase")
    kept = m.holder(wide - narrow, "kept")
    if engine.out_lanes > engine.in_lanes:
        fires = unit.valid[0] & (unit.room | ~phase.last)
        joined = join([kept, token])
        unit.take(fires)
        begins, result = fires & phase.last, joined
        m.assign(kept, joined[narrow:], fires)
    else:
        first = phase.value.equals(0)
        fires = unit.room & (unit.valid[0] | ~first)
        left = choose(first, token, kept.extended(wide))
        unit.take(fires & first)
        begins, result = fires, left[:narrow]
        m.assign(kept, left[narrow:], fires)
    phase.count(fires)
    m.output("reserve", begins)
    m.output("enter", begins)
    m.output("data", result)


def repeater(unit: Unit[Repeater]) -> None:
    """Passes a run of tokens on and keeps it, then gives it again and again."""
    m, engine = unit.module, unit.engine
    place, turn = Counter(m, engine.length, "place"), Counter(m, engine.times, "turn")
    first = turn.value.equals(0)
    fires = unit.room & (unit.valid[0] | ~first)
    unit.take(fires & first)
    width = engine.in_lanes * engine.output.bits
    if engine.length > 1:
        memory = m.memory("memory", engine.length, width, transparent=True)
        memory.write(fires & first, place.value, unit.data[0])
        again = memory.read(place.following(fires))
    else:
        again = m.holder(width, "kept")
        m.assign(again, unit.data[0], fires & first)
    token = choose(first, unit.data[0], again)
    place.count(fires)
    turn.count(fires & place.last)
    m.output("reserve", fires)
    m.output("enter", fires)
    m.output("data", join([token] * (engine.out_lanes // engine.in_lanes)))


def joiner(unit: Unit[Joiner]) -> None:
    """Pass on, for each pixel, the first input's tokens, then the second's."""
    m = unit.module
    period, length = unit.engine.timing.take
    phase = Counter(m, period, "phase")
    second = m.state(0, 1, name="second")  # a register: one input of the LUT that chooses each bit
    fires = unit.room & choose(second, unit.valid[1], unit.valid[0])
    unit.take(fires & ~second, 0)
    unit.take(fires & second, 1)
    m.assign(
        second, choose(phase.last, 0, ONE), fires & (phase.last | phase.value.equals(length - 1))
    )
    pairs = zip(unit.operands(0), unit.operands(1), strict=True)
    unit.give([choose(second, y, x) for x, y in pairs], fires)
    phase.count(fires)
