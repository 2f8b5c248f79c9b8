"""A buffer of two parts of a map, written in order and read by a table of places."""

from __future__ import annotations

import numpy as np

from ..engines.rearrange import Rearranger
from ..engines.token_timing import WindowTiming
from ..hdl.module import Counter
from ..hdl.words import ZERO, Word, choose, elements, times
from .unit import Unit


def rearranger(unit: Unit[Rearranger]) -> None:
    """Wires, or the buffer: a writer that fills parts and a reader that empties them."""
    engine, m = unit.engine, unit.module
    if engine.wired:
        _wires(unit)
        return
    w, pe = engine.timing, engine.fold.pe
    assert isinstance(w, WindowTiming)
    held = m.state(0, w.rows, name="held_parts")  # begun by the writer and not released
    ready = m.state(0, w.rows, name="ready_parts")  # complete and not released
    size = max(2, w.buffer_words)
    memory = m.memory("memory", size, unit.data[0].width)

    word, place = Counter(m, w.words, "in_word"), Counter(m, w.buffer_words, "place")
    begins = word.value.equals(0)
    writes = unit.valid[0] & (~begins | (held < w.rows))
    unit.take(writes)
    word.count(writes)
    place.count(writes)
    memory.write(writes, place.value, unit.data[0])

    result, ring = Counter(m, w.results, "result"), Counter(m, w.rows, "ring")
    fires = unit.room & (~result.value.equals(0) | (ready > 0))
    ends = fires & result.last
    at, inside = _places(unit, result.following(fires))
    result.count(fires)
    ring.count(ends)
    address = (times(ring.value, w.words) + at).within(0, size - 1)
    found = memory.read(choose(fires, address, 0).within(0, size - 1))
    lanes = elements(found, engine.inputs[0].bits, engine.inputs[0].signed)
    if inside is not None:
        there = m.register(inside)
        lanes = [choose(there, lane, 0) for lane in lanes]
    m.assign(held, (held + (writes & begins) - ends).within(0, w.rows))
    m.assign(ready, (ready + (writes & word.last) - ends).within(0, w.rows))
    assert len(lanes) == pe
    unit.give(lanes, fires)


def _places(unit: Unit[Rearranger], index: Word) -> tuple[Word, Word | None]:
    """Return the word of the part that is read for a result, and whether it lies inside; None: it
    does always.
    """
    words = unit.engine.words
    if len(words) == 1:
        words = np.repeat(words, 2)
    outside = words < 0
    table = np.stack([np.where(outside, 0, words), ~outside], axis=1).astype(np.int64)
    at, inside = unit.module.table("places", table, index)
    return at, inside if outside.any() else None


def _wires(unit: Unit[Rearranger]) -> None:
    fires = unit.valid[0] & unit.room
    unit.take(fires)
    given = unit.operands()
    lanes = [given[place] if place >= 0 else ZERO for place in unit.engine.places.tolist()]
    unit.give(lanes, fires)
