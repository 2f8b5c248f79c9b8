"""The threshold unit: pipelined binary search, or all comparisons at once."""

from __future__ import annotations

import numpy as np

from ..engines.threshold import ThresholdUnit
from ..hdl.stores import Longs
from ..hdl.words import ZERO, Word, join
from .elementwise import Channels, height
from .unit import Unit


def threshold(unit: Unit[ThresholdUnit]) -> None:
    """Counts the bounds below each element, then looks the code up unless it is that count.

    Stage i holds bounds (C / PE) * 2^i a lane, addressed by the channel fold and the i comparisons
    made so far (FINN's RTL thresholding).  In parallel, one memory a lane holds all K bounds of a
    channel.  Missing steps carry the input's greatest value, which nothing passes.  Comparisons are
    written ``bound < x``: of ``x > bound`` yosys makes "neither less nor equal" where comparisons
    are carry chains, which takes twice the LUTs.
    """
    engine, channels = unit.engine, Channels(unit)
    op, pe = engine.op, engine.fold.pe
    bounds, signs = engine.values(op.bounds), engine.values(op.signs)
    base = engine.values(op.base)
    steps = (1 << engine.levels) - 1
    greatest = engine.inputs[0].limits[1]
    padded = np.full((len(bounds), steps), greatest, np.int64)
    padded[:, : bounds.shape[1]] = np.minimum(bounds, greatest)
    fills = np.zeros((len(bounds), steps), np.int64)
    fills[:, : bounds.shape[1]] = signs
    codes = base[:, None] + np.concatenate(
        [np.zeros((len(bounds), 1), np.int64), np.cumsum(fills, axis=1)], axis=1
    )
    # (folds, PE, ...)
    limits, codes_of = padded.reshape(-1, pe, steps), codes.reshape(-1, pe, steps + 1)
    count = _count_at_once if unit.form == "parallel" else _search
    lanes = [
        _code(unit, channels, k, count(unit, channels, k, element, limits[:, k]), codes_of[:, k])
        for k, element in enumerate(unit.operands())
    ]
    unit.give(lanes, channels.fires)


def _count_at_once(
    unit: Unit[ThresholdUnit], channels: Channels, lane: int, x: Word, bounds: Longs
) -> Word:
    """Return a comparison for each bound; where they stop being passed, the count is read off."""
    m, engine = unit.module, unit.engine
    steps = engine.values(engine.op.bounds).shape[1]
    limits = m.table(f"bounds{lane}", bounds[:, :steps], channels.address(0), compared=True)
    passed = [m.register(limit < x) for limit in limits]
    passed += [ZERO] * ((1 << engine.levels) - 1 - steps)
    return m.delayed(join(height(passed)), engine.levels - 1)


def _search(
    unit: Unit[ThresholdUnit], channels: Channels, lane: int, x: Word, bounds: Longs
) -> Word:
    """Return a comparison a stage, with the bound in the middle of those that are left."""
    m, levels, folds = unit.module, unit.engine.levels, len(bounds)
    passed: list[Word] = []  # the comparisons so far, the last one first
    for level in range(levels):
        # among the 2^level runs that are left, the bound in the middle
        middle, apart = (1 << (levels - 1 - level)) - 1, 1 << (levels - level)
        words = bounds.reshape(folds, -1)[:, middle::apart].reshape(-1, 1)
        parts = [*passed, *([channels.address(level)] if folds > 1 or not passed else [])]
        (limit,) = m.table(f"bounds{lane}_{level}", words, join(parts), compared=True)
        passed = [limit < x, *(m.register(bit) for bit in passed)]
        if level < levels - 1:
            x = m.register(x)
    return m.register(join(passed))


def _code(
    unit: Unit[ThresholdUnit], channels: Channels, lane: int, count: Word, codes: Longs
) -> Word:
    """Return the code for a number of bounds passed."""
    if unit.engine.rising:
        return count
    address = count
    if len(codes) > 1:
        address = join([count, channels.address(unit.engine.levels + 1)])
    (code,) = unit.module.table(f"codes{lane}", codes.reshape(-1, 1), address)
    return code
