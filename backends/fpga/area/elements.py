"""Terms of engines that map one element to one, and of pools over the whole map."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from n2uqc.passes.program.types import limits_of, width_of

from ..engines import Engine
from .count import Count, bits_of, digits


def _folds(engine: Engine) -> int:
    return engine.output.shape[2] // engine.fold.pe


def _thresholds(count: Count, engine: Any, form: str) -> None:
    x, pe, folds = engine.inputs[0], engine.fold.pe, _folds(engine)
    steps, levels, width = engine.constants[engine.op.bounds].values.shape[1], engine.levels, x.bits
    stored = engine.fact("bounds", lambda: _spread(engine.values(engine.op.bounds)))
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    for _ in range(pe):
        if form == "parallel":
            count.compare(width, folds, steps)
            count.rom(folds, steps * stored, "fold")
            lut["height"] += steps
            ff["search"] += steps
            ff["delay"] += engine.op.bits * (levels - 1)
            lut["delay"] += levels - 1 if levels > 2 else 0
        else:
            for level in range(levels):
                count.compare(width, folds << level)
                count.rom(folds << level, stored, "fold" if level == 0 else "")
                ff["search"] += (width if level < levels - 1 else 0) + level + 1
        if not engine.rising:
            count.rom(folds << levels, engine.op.bits)
    lut["delay"] += 0 if folds == 1 else bits_of(folds) * max(0, levels - 2)


def _spread(values: Any) -> int:
    """Bits of a table in which its values differ."""
    if values.size == 0:
        return 0
    differ = int(np.bitwise_or.reduce(np.ravel(values) ^ values.flat[0]))
    return (differ & ((1 << width_of(int(values.min()), int(values.max()))[0]) - 1)).bit_count()


def _requantize(count: Count, engine: Any, form: str) -> None:
    x, y, op, pe, folds = (
        engine.inputs[0], engine.output, engine.op, engine.fold.pe, _folds(engine))
    rows = engine.fact("rows", engine.rows)
    multiplier, bias, shift, half = (rows[n] for n in ("multiplier", "bias", "shift", "half"))
    m_bits = max(1, width_of(int(multiplier.min()), int(multiplier.max()))[0])
    product = x.bits + m_bits
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    whole = product + 1
    if _spread(multiplier):
        # a constant a lane, where a lane serves one channel: synthesis takes a block all the same
        count.product(x.bits, m_bits, pe)
    else:
        lut["product constant"] += pe * product * (digits(int(multiplier.flat[0])) - 1)
        ff["product join"] += pe * product
    if folds > 1 and _spread(bias):
        lut["bias"] += pe * whole
        lut["half"] += pe * whole * 2  # a carry-save row
        lut["half of several"] += pe * 2 * _spread(half)
    else:
        lut["bias constant"] += pe * whole
        lut["half constant"] += pe * max(1, whole - int(shift.min()))
    ff["bias"] += pe * whole
    if folds > 1 and _spread(shift):
        kept = whole - int(shift.min())
        stages = bits_of(int(shift.max()) - int(shift.min()) + 1)
        lut["shift"] += pe * kept * stages
    else:
        kept = whole - int(shift.min())
    ff["shift"] += pe * max(1, kept)
    _clamped(count, engine, max(1, kept), pe)
    ff["result"] += pe * y.bits
    for values in (multiplier, bias, half, shift):
        if _spread(values):
            count.rom(folds, pe * _spread(values), "fold" if values is multiplier else "")
    del op


def _prelu(count: Count, engine: Any, form: str) -> None:
    x, y, op, pe, folds = (
        engine.inputs[0], engine.output, engine.op, engine.fold.pe, _folds(engine))
    rows = engine.fact("rows", engine.rows)
    slope, bias = rows["multiplier"], rows["bias"]
    m_bits = max(1, width_of(int(slope.min()), int(slope.max()))[0])
    product = x.bits + m_bits
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    lut["mask"] += pe * x.bits
    count.product(x.bits, m_bits, pe)
    lut["half constant"] += pe * (product + 1)
    kept = max(x.bits, product + 1 - op.shift)
    lut["bend"] += pe * kept
    lut["bias constant"] += pe * (kept + 1)
    _clamped(count, engine, kept + 1, pe)
    ff["bend"] += pe * (2 * x.bits + 1 + kept * 2)
    ff["result"] += pe * y.bits
    for values in (slope, bias):
        if _spread(values):
            count.rom(folds, pe * _spread(values), "fold" if values is slope else "")


def _clamp(count: Count, engine: Any, form: str) -> None:
    _clamped(count, engine, engine.inputs[0].bits, engine.fold.pe)


def _clamped(count: Count, engine: Any, width: int, pe: int) -> None:
    """Comparisons of so many bits with both ends that may be passed, and what chooses."""
    low, high = limits_of(width, True)
    ends = (engine.op.lo > low) + (engine.op.hi < high)
    count.all.lut["clamp"] += pe * ends * 2 * width / count.device.lut
    count.all.lut["clamped"] += pe * engine.output.bits * bool(ends)


def _add(count: Count, engine: Any, form: str) -> None:
    count.all.lut["sum"] += engine.fold.pe * engine.output.bits


def _concat(count: Count, engine: Any, form: str) -> None:
    count.counter(engine.timing.take[0])
    count.all.lut["select"] += engine.fold.pe * engine.output.bits


def _lookup(count: Count, engine: Any, form: str) -> None:
    table = engine.fact("table", lambda: engine.values(engine.op.table))
    for _ in range(engine.fold.pe):
        count.rom(len(table), _spread(table))


def _global_pool(count: Count, engine: Any, form: str) -> None:
    x, y, pe, folds = engine.inputs[0], engine.output, engine.fold.pe, _folds(engine)
    count.counter(folds)
    count.counter(prod(x.shape[:2]))
    if engine.reduction == "max":
        count.all.lut["maximum"] += pe * y.bits * 1.5
    else:
        count.all.lut["accumulator"] += pe * y.bits
    count.all.ff["result"] += pe * y.bits * 2
    if folds > 1:
        count.ram(folds, pe * y.bits)
        count.all.lut["bypass"] += pe * y.bits


ELEMENTS: Mapping[str, Any] = {
    "threshold": _thresholds, "requantize": _requantize, "prelu": _prelu, "clamp": _clamp,
    "add": _add, "concat": _concat, "lookup": _lookup, "global pool": _global_pool,
}
"""By kind of engine."""
