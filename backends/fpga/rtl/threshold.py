"""The threshold unit: pipelined binary search, a comparison and a memory a stage and lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Value

from .elementwise import Elementwise
from .parts import register, table


class ThresholdUnit(Elementwise):
    """Counts the bounds below each element, then looks the code up unless it is that count.

    Stage i holds bounds (C / PE) * 2^i a lane, addressed by the channel fold and the i comparisons
    made so far (FINN's RTL thresholding).  Missing steps carry the input's greatest value, which
    nothing passes.
    """

    def results(self, m: Module) -> list[Any]:
        engine: Any = self.engine
        op, pe = engine.op, engine.fold.pe
        bounds, signs = engine.values(op.bounds), engine.values(op.signs)
        base = engine.values(op.base)
        levels = max(1, bounds.shape[1].bit_length())
        steps = (1 << levels) - 1
        greatest = engine.inputs[0].limits[1]
        padded = np.full((len(bounds), steps), greatest, np.int64)
        padded[:, : bounds.shape[1]] = np.minimum(bounds, greatest)
        fills = np.zeros((len(bounds), steps), np.int64)
        fills[:, : bounds.shape[1]] = signs
        codes = base[:, None] + np.concatenate(
            [np.zeros((len(bounds), 1), np.int64), np.cumsum(fills, axis=1)], axis=1
        )
        # (folds, PE, ...)
        padded, codes = padded.reshape(-1, pe, steps), codes.reshape(-1, pe, steps + 1)
        lanes = []
        for k, element in enumerate(self.operands()):
            lanes.append(self._lane(m, k, element, padded[:, k], levels, codes[:, k]))
        return lanes

    def _lane(
        self, m: Module, lane: int, x: Value, bounds: Any, levels: int, codes: Any
    ) -> Value:
        folds, rising = len(bounds), self.engine.latency == levels
        passed: Value | None = None  # the comparisons so far, the first one highest
        for level in range(levels):
            # among the 2^level runs that are left, the bound in the middle
            words = bounds.reshape(folds, -1)[:, (1 << (levels - 1 - level)) - 1 :: 1 << (
                levels - level)]
            channel = self.address(m, level)
            address = channel if passed is None else Cat(passed, channel)
            if passed is not None and folds == 1:
                address = passed
            (bound,) = table(m, f"bounds{lane}_{level}", words.reshape(-1, 1), address)
            if passed is not None:
                passed = register(m, passed)
            above = x > bound
            passed = above if passed is None else Cat(above, passed)
            if level < levels - 1:
                x = register(m, x)
        assert passed is not None
        count = register(m, passed)
        if rising:
            return count
        channel = self.address(m, levels + 1)
        address = count if folds == 1 else Cat(count, channel)
        (code,) = table(m, f"codes{lane}", codes.reshape(-1, 1), address)
        return code
