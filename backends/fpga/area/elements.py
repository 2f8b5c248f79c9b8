"""Terms of engines that map one element to one, and of pools over the whole map."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from n2uqc.passes.program.types import width_of

from ..engines import Engine
from .count import Count, bits_of, columns, compared_bits


def _folds(engine: Engine) -> int:
    return engine.output.shape[2] // engine.fold.pe


def _thresholds(count: Count, engine: Any, form: str) -> None:
    op, x, pe, folds = engine.op, engine.inputs[0], engine.fold.pe, _folds(engine)
    levels, width, bounds = engine.levels, x.bits, engine.values(op.bounds)
    steps = bounds.shape[1]
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    bounds = np.minimum(bounds, x.limits[1]).reshape(folds, pe, steps)
    missing = (1 << levels) - 1 - steps
    for lane in range(pe):
        if form == "parallel":
            count.table(bounds[:, lane])
            for step in range(steps):
                count.compare(width, bounds[:, lane, step])
            lut["height"] += steps
            ff["search"] += steps
            shifted = count.device.shifts and levels > 3  # a shift register is a LUT
            ff["delay"] += 0 if shifted else op.bits * (levels - 1)
            lut["delay"] += levels - 1 if levels > 2 else 0
        else:
            padded = np.pad(bounds[:, lane], ((0, 0), (0, missing)), constant_values=x.limits[1])
            for level in range(levels):
                middle, apart = (1 << (levels - 1 - level)) - 1, 1 << (levels - level)
                stage = padded[:, middle::apart].reshape(-1, 1)
                count.table(stage)
                count.compare(width, stage)
                ff["search"] += (width if level < levels - 1 else 0) + level + 1
        if not engine.rising:
            count.rom(folds << levels, op.bits)
    lut["delay"] += 0 if folds == 1 else bits_of(folds) * max(0, levels - 2)


def _spread(values: Any) -> int:
    """Bits of a table in which its values differ."""
    differ = int(np.bitwise_or.reduce(np.ravel(values) ^ values.flat[0]))
    return (differ & ((1 << width_of(int(values.min()), int(values.max()))[0]) - 1)).bit_count()


def _share(values: Any) -> float:
    """The part of a table's bits that differ from word to word; 1 of what does not change."""
    if len(values) < 2:
        return 1.0
    bits = width_of(int(values.min()), int(values.max()))[0] * values.shape[1]
    return float(columns(values)[0] / bits)


def _requantize(count: Count, engine: Any, form: str) -> None:
    x, y, pe, folds = engine.inputs[0], engine.output, engine.fold.pe, _folds(engine)
    rows = engine.fact("rows", engine.rows)
    multiplier, bias, shift, half = (rows[n] for n in ("multiplier", "bias", "shift", "half"))
    m_bits = max(1, width_of(int(multiplier.min()), int(multiplier.max()))[0])
    product = x.bits + m_bits
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    whole = product + 1
    # a constant a lane, where a lane serves one channel: synthesis takes a block all the same
    tiles = 0
    if not ((multiplier & (multiplier - 1)) == 0).all() or _spread(multiplier):
        for lane in multiplier.reshape(folds, pe).T:
            bits, signed = width_of(int(lane.min()), int(lane.max()))
            tiles = max(tiles, count.product(x.bits, bits if signed else bits + 1))
    else:
        ff["product join"] += pe * product
    # a constant is one with half, and a block may add the bias itself
    inside = count.device.adds and (folds == 1 or tiles == 1)
    lut["bias"] += 0 if inside else pe * whole * _share(bias.reshape(folds, pe))
    lut["half"] += pe * whole
    several = folds > 1
    lut["half of several"] += pe * 2 * _spread(half) * several
    ff["bias"] += pe * whole
    least = int(shift.min())
    kept = max(1, whole - least)
    ways = [bits_of(len(set(lane))) for lane in shift.reshape(folds, pe).T.tolist()]
    lut["shift"] += kept * sum(ways)
    ff["shift"] += pe * kept
    _clamped(count, engine, kept, pe)
    ff["result"] += pe * y.bits
    for values in (multiplier, bias, half, shift - least):
        count.table(values.reshape(folds, pe))


def _prelu(count: Count, engine: Any, form: str) -> None:
    x, y, op, pe, folds = (
        engine.inputs[0],
        engine.output,
        engine.op,
        engine.fold.pe,
        _folds(engine),
    )
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
        count.table(values.reshape(folds, pe))


def _clamp(count: Count, engine: Any, form: str) -> None:
    _clamped(count, engine, engine.inputs[0].bits, engine.fold.pe)


def _clamped(count: Count, engine: Any, width: int, pe: int) -> None:
    """Comparisons of so many bits with both ends that may be passed, and what chooses.

    Bits below the last one of an end are not looked at, and zero is the sign alone.  Leading bits
    that all values beyond an end share with it need not be chosen.  A LUT that chooses has inputs
    left for bits of the comparisons.
    """
    # of products, which may be wider than any tensor
    low, high, lo, hi = -(1 << width - 1), (1 << width - 1) - 1, engine.op.lo, engine.op.hi
    device, lut, bits = count.device, count.all.lut, engine.output.bits
    seen, shared = [], [width]
    for end, edge, beyond in ((lo, lo, low), (hi + 1, hi, high)):
        if low < end <= high:
            seen.append(compared_bits(width, end))
            shared.append(width - (edge ^ beyond).bit_length())
    if not seen:
        return
    # the sign is always shared by an end on its side
    same = 0 if lo >= 0 or hi < 0 else min(shared) if bits == width else 1
    if device.chained:
        lut["clamp"] += pe * sum(n for n in seen if n > 1)
    else:
        lut["clamp"] += pe * 2 / device.lut * sum(max(0, n - device.lut // 2) for n in seen)
    lut["clamped"] += pe * max(1, bits - same)


def _add(count: Count, engine: Any, form: str) -> None:
    """Above an unsigned operand, a carry chain takes no LUTs where they are not part of it."""
    bits = engine.output.bits
    if not count.device.chained:
        bits = min([bits, *(x.bits + 1 for x in engine.inputs if not x.signed)])
    count.all.lut["sum"] += engine.fold.pe * bits


def _concat(count: Count, engine: Any, form: str) -> None:
    """Which input it is: a counter, two comparisons and a register that share their LUTs."""
    turns = bits_of(engine.timing.take[0])
    count.all.lut["select"] += engine.fold.pe * engine.output.bits
    count.all.lut["turns"] += max(8, turns + 2)
    count.all.ff["state"] += turns + 1


def _lookup(count: Count, engine: Any, form: str) -> None:
    for _ in range(engine.fold.pe):
        count.table(engine.values(engine.op.table)[:, None])


def _global_pool(count: Count, engine: Any, form: str) -> None:
    x, y, pe, folds = engine.inputs[0], engine.output, engine.fold.pe, _folds(engine)
    count.counter(folds)
    count.counter(prod(x.shape[:2]))
    if engine.reduction == "max":
        count.all.lut["maximum"] += pe * y.bits * 1.5
    else:
        count.all.lut["sums"] += pe * y.bits
    count.all.ff["sums"] += pe * y.bits * (1 if folds > 1 else 2)
    if folds > 1:
        count.ram(folds, pe * y.bits)
        count.all.ff["ram"] = 0.0  # its address is registered, not what is read
        count.all.ff["state"] += bits_of(folds)
        count.all.lut["bypass"] += pe * y.bits


ELEMENTS: Mapping[str, Any] = {
    "threshold": _thresholds,
    "requantize": _requantize,
    "prelu": _prelu,
    "clamp": _clamp,
    "add": _add,
    "concat": _concat,
    "lookup": _lookup,
    "global pool": _global_pool,
}
"""By kind of engine."""
