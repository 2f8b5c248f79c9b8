"""Units that turn one element into one, from requantizers to functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engines.rescale import (
    ClampUnit,
    Interpolator,
    LookupUnit,
    PReluUnit,
    Requantizer,
    StreamAdder,
    StreamMultiplier,
)
from ..hdl.module import Counter
from ..hdl.stores import Longs
from ..hdl.words import Word, choose, clamped, constant, every, times
from .unit import E, Unit


class Channels:
    """Steps through the folds of a pixel's channels: PE elements of each input a cycle.

    Attributes:
        fires: a token of every input is taken in this cycle.
        fold: counts channel folds.
    """

    def __init__(self, unit: Unit[E]) -> None:
        self.unit, engine = unit, unit.engine
        self.fires = every([*unit.valid, unit.room])
        for k in range(len(unit.valid)):
            unit.take(self.fires, k)
        self.fold = Counter(unit.module, engine.output.shape[2] // engine.fold.pe, "fold")
        self.fold.count(self.fires)

    def address(self, stage: int) -> Word:
        """Return the place at which a table is read for a stage, a cycle before it is reached."""
        if stage == 0:
            return self.fold.following(self.fires)
        return self.unit.module.delayed(self.fold.value, stage - 1)

    def row(self, name: str, values: Longs, stage: int) -> list[Word]:
        """Return the constants of the channels, (C,), at a stage: one a lane."""
        words = values.reshape(-1, self.unit.engine.fold.pe)
        return self.unit.module.table(name, words, self.address(stage))


def rounded(value: Word, half: Word) -> Word:
    """Return ``value`` plus what makes a shift round halves away from zero."""
    return value + half - ((value < 0) & (constant(0) < half))


def requantizer(unit: Unit[Requantizer]) -> None:
    """Build, stage by stage: product; bias and half; shift; clamp."""
    m, engine, channels = unit.module, unit.engine, Channels(unit)
    rows, op = engine.rows(), engine.op
    multiplier = channels.row("multiplier", rows["multiplier"], 0)
    bias, half = (channels.row(name, rows[name], 1) for name in ("bias", "half"))
    least = int(rows["shift"].min())
    shift = channels.row("shift", rows["shift"] - least, 2)
    lanes = []
    for x, *c in zip(unit.operands(), multiplier, bias, half, shift, strict=True):
        product = m.register(x * c[0])
        exact = m.register(rounded(product + c[1], c[2]))
        moved = m.register((exact >> least) >> c[3])
        lanes.append(m.register(clamped(moved, op.lo, op.hi)))
    unit.give(lanes, channels.fires)


def prelu(unit: Unit[PReluUnit]) -> None:
    """Build, stage by stage: product; shift; bias; clamp."""
    m, engine, channels = unit.module, unit.engine, Channels(unit)
    rows, op = engine.rows(), engine.op
    multiplier = channels.row("multiplier", rows["multiplier"], 0)
    bias = channels.row("bias", rows["bias"], 2)
    half = constant((1 << op.shift) >> 1)
    lanes = []
    for x, slope, offset in zip(unit.operands(), multiplier, bias, strict=True):
        negative = x < 0
        product = m.register(choose(negative, x, 0) * slope)
        kept, bends = m.register(x), m.register(negative)
        bent = m.register(choose(bends, rounded(product, half) >> op.shift, kept))
        lanes.append(m.register(clamped(m.register(bent + offset), op.lo, op.hi)))
    unit.give(lanes, channels.fires)


def clamp(unit: Unit[ClampUnit]) -> None:
    """Build two comparisons."""
    op = unit.engine.op
    unit.give([clamped(x, op.lo, op.hi) for x in unit.operands()], Channels(unit).fires)


def adder(unit: Unit[StreamAdder]) -> None:
    """Build a sum."""
    pairs = zip(unit.operands(0), unit.operands(1), strict=True)
    unit.give([a + b for a, b in pairs], Channels(unit).fires)


def multiplier(unit: Unit[StreamMultiplier]) -> None:
    """Build a product."""
    pairs = zip(unit.operands(0), unit.operands(1), strict=True)
    unit.give([unit.module.register(a * b) for a, b in pairs], Channels(unit).fires)


def interpolator(unit: Unit[Interpolator]) -> None:
    """Build, a lane: memory, addressed by the piece; product; sum with rounding."""
    m, engine, channels = unit.module, unit.engine, Channels(unit)
    op, pe = engine.op, engine.fold.pe
    lines = np.stack([engine.values(op.base), engine.values(op.slope)], axis=2)
    tables, count = lines.shape[:2]
    half = constant((1 << op.shift) >> 1)
    lanes = []
    for k, x in enumerate(unit.operands()):
        place = x - op.start
        piece = clamped(place >> op.step, 0, count - 1)
        along = m.register(place - (piece << op.step))
        words = lines[k::pe].reshape(-1, 2) if tables > 1 else lines[0]
        address = times(channels.fold.value, count) + piece if tables > pe else piece
        if len(words) == 1:
            words = np.repeat(words, 2, axis=0)
        base, slope = m.table(f"line{k}", words, address)
        product, begin = m.register(slope * along), m.register(base)
        lanes.append(m.register(rounded(product + begin, half)) >> op.shift)
    unit.give(lanes, channels.fires)


def levels(unit: Unit[LookupUnit]) -> None:
    """Build a memory for each lane, addressed by the code."""
    m, engine = unit.module, unit.engine
    values = engine.values(engine.op.table)
    if len(values) == 1:
        values = np.repeat(values, 2)
    lanes = [
        m.table(f"levels{k}", values[:, None], code)[0] for k, code in enumerate(unit.operands())
    ]
    unit.give(lanes, Channels(unit).fires)


def height(passed: Sequence[Word]) -> list[Word]:
    """Return how many of 2**n - 1 comparisons hold, of which none holds above one that does not:
    its bits, the lowest first.
    """
    middle = passed[len(passed) // 2]
    if len(passed) == 1:
        return [middle]
    below, above = passed[: len(passed) // 2], passed[len(passed) // 2 + 1 :]
    rest = height([choose(middle, a, b) for a, b in zip(above, below, strict=True)])
    return [*rest, middle]
