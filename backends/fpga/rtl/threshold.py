"""The threshold unit: pipelined binary search, or all comparisons at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Value

from .elementwise import Elementwise
from .parts import delayed, register, table


class ThresholdUnit(Elementwise):
    """Counts the bounds below each element, then looks the code up unless it is that count.

    Stage i holds bounds (C / PE) * 2^i a lane, addressed by the channel fold and the i comparisons
    made so far (FINN's RTL thresholding).  In parallel, one memory a lane holds all K bounds of a
    channel.  Missing steps carry the input's greatest value, which nothing passes.  Comparisons are
    written ``bound < x``: of ``x > bound`` yosys makes "neither less nor equal" where comparisons
    are carry chains, which takes twice the LUTs.
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
        count = self._count_at_once if self.form == "parallel" else self._search
        return [
            self._code(m, k, count(m, k, element, padded[:, k], levels), codes[:, k])
            for k, element in enumerate(self.operands())
        ]

    def _count_at_once(self, m: Module, lane: int, x: Value, bounds: Any, levels: int) -> Value:
        """A comparison for each bound; where they stop being passed, the count is read off."""
        engine: Any = self.engine
        steps = engine.values(engine.op.bounds).shape[1]
        found = table(m, f"bounds{lane}", bounds[:, :steps], self.address(m, 0), compared=True)
        passed: list[Any] = [register(m, bound < x) for bound in found]
        passed += [Const(0, 1)] * ((1 << levels) - 1 - steps)
        return delayed(m, _height(passed), levels - 1)

    def _search(self, m: Module, lane: int, x: Value, bounds: Any, levels: int) -> Value:
        """A comparison a stage, with the bound in the middle of those that are left."""
        folds = len(bounds)
        passed: Value | None = None  # the comparisons so far, the first one highest
        for level in range(levels):
            # among the 2^level runs that are left, the bound in the middle
            words = bounds.reshape(folds, -1)[
                :, (1 << (levels - 1 - level)) - 1 :: 1 << (levels - level)
            ]
            channel = self.address(m, level)
            address = channel if passed is None else Cat(passed, channel)
            if passed is not None and folds == 1:
                address = passed
            (bound,) = table(
                m, f"bounds{lane}_{level}", words.reshape(-1, 1), address, compared=True
            )
            if passed is not None:
                passed = register(m, passed)
            above = bound < x
            passed = above if passed is None else Cat(above, passed)
            if level < levels - 1:
                x = register(m, x)
        assert passed is not None
        return register(m, passed)

    def _code(self, m: Module, lane: int, count: Value, codes: Any) -> Value:
        """The code for a number of bounds passed."""
        engine: Any = self.engine
        if engine.rising:
            return count
        folds = len(codes)
        channel = self.address(m, engine.levels + 1)
        address = count if folds == 1 else Cat(count, channel)
        (code,) = table(m, f"codes{lane}", codes.reshape(-1, 1), address)
        return code


def _height(passed: list[Any]) -> Value:
    """How many of 2**n - 1 comparisons hold, of which none holds above one that does not."""
    middle = passed[len(passed) // 2]
    if len(passed) == 1:
        return Value.cast(middle)
    below, above = passed[: len(passed) // 2], passed[len(passed) // 2 + 1 :]
    rest = _height([Mux(middle, a, b) for a, b in zip(above, below, strict=True)])
    return Cat(rest, middle)
