"""One channel of a comparison table against the chain of operations it was folded from.

Values are judged by interval arithmetic in float64 where many are asked at once, by ``Near``
numbers one by one, and exactly (``Surd``) where neither can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact.near import Near, Unsure
from ..program import Op
from ..program.exact import Surd
from ..program.ops.real import Affine, Quantize, RealClip, RealPRelu

EXHAUSTIVE = 1 << 17  # most reachable values of a channel that are checked one by one
_WIDEN = 2.0**-49  # relative: covers two roundings of parameters and one of the operation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Channel:
    """One channel's chain: the quantizer's input as a function of the table's integer input."""

    def __init__(self, slope: Surd, chain: list[Op], quantizer: Quantize, channel: int) -> None:
        self.slope, self.chain, self.channel = slope, chain, channel
        self.scale, self.rules = quantizer.input_scale, quantizer.rules_of(channel)
        rows = quantizer.thresholds
        self.thresholds = rows[channel if len(rows) > 1 else 0]
        self.exact_count = self.ties = 0
        self._known: dict[type[Near] | type[Surd], list[tuple[Any, ...]]] = {}

    def exact(self, value: int) -> tuple[int, tuple[int, ...]]:
        """Code, and which side of each bend the value takes; filtered, then exact."""
        try:
            code, sides, _ = self._evaluate(value, Near)
        except Unsure:
            self.exact_count += 1
            code, sides, tie = self._evaluate(value, Surd)
            self.ties += tie
        return code, sides

    def _numbers(self, kind: type[Near] | type[Surd]) -> list[tuple[Any, ...]]:
        """This channel's parameters of every operation in one kind of number."""
        if kind not in self._known:
            c = self.channel
            found: list[tuple[Any, ...]] = []
            for op in self.chain:
                if isinstance(op, Affine):
                    found.append((kind.of(op.slope[c]), kind.of(op.offset[c])))
                elif isinstance(op, RealPRelu):
                    found.append((kind.of(op.slope[c]),))
                elif isinstance(op, RealClip):
                    found.append(tuple(None if v is None else kind.of(v) for v in (op.lo, op.hi)))
            found.append((kind.of(self.slope), kind.of(self.scale)))
            found.append(tuple(kind.of(t) for t in self.thresholds))
            self._known[kind] = found
        return self._known[kind]

    def _evaluate(
        self, value: int, kind: type[Near] | type[Surd]
    ) -> tuple[int, tuple[int, ...], bool]:
        *links, (slope, scale), thresholds = self._numbers(kind)
        y, sides = slope * kind.of(value), []
        for op, numbers in zip(self.chain, links, strict=True):
            if isinstance(op, Affine):
                y = y * numbers[0] + numbers[1]
            elif isinstance(op, RealPRelu):
                below = y.sign() < 0
                sides.append(int(below))
                y = y * numbers[0] if below else y
            elif isinstance(op, RealClip):
                low, high = numbers
                under = low is not None and (y - low).sign() < 0
                y = low if under else y
                over = high is not None and (y - high).sign() > 0
                y = high if over else y
                sides.append(2 * int(over) + int(under))
        y = y * scale
        signs = [(y - t).sign() for t in thresholds]
        code = sum(
            s > 0 or (s == 0 and not rule) for s, rule in zip(signs, self.rules, strict=True)
        )
        return code, tuple(sides), any(s == 0 for s in signs)

    def codes(self, values: Ints) -> Ints:
        """Codes of many values: interval arithmetic, exact where it is undecided."""
        y = values.astype(np.float64)
        lo, hi = _times(y, y, self.slope)
        c = self.channel
        for op in self.chain:
            if isinstance(op, Affine):
                lo, hi = _times(lo, hi, op.slope[c])
                offset = float(op.offset[c])
                lo, hi = _widen(lo + offset, hi + offset, abs(offset) + np.abs(lo) + np.abs(hi))
            elif isinstance(op, RealPRelu):
                below = _times(np.minimum(lo, 0), np.minimum(hi, 0), op.slope[c])
                above = np.maximum(lo, 0), np.maximum(hi, 0)
                low = np.where(lo >= 0, lo, np.where(hi < 0, below[0], np.minimum(below[0], 0)))
                hi = np.where(
                    lo >= 0,
                    hi,
                    np.where(hi < 0, below[1], np.maximum(np.maximum(below[1], 0), above[1])),
                )
                lo = low
            elif isinstance(op, RealClip):
                low_end, high_end = (
                    far if v is None else float(v) for v, far in ((op.lo, -inf), (op.hi, inf))
                )
                size = max((abs(b) for b in (low_end, high_end) if isfinite(b)), default=0.0)
                lo, hi = (np.clip(v, low_end, high_end) for v in (lo, hi))
                lo, hi = _widen(lo, hi, size)
        lo, hi = _times(lo, hi, self.scale)
        result = np.zeros(len(values), dtype=np.int64)
        unsure = np.zeros(len(values), dtype=bool)
        for threshold in self.thresholds:
            t = float(threshold)
            margin = abs(t) * _WIDEN
            result += lo > t + margin
            unsure |= (lo <= t + margin) & (hi >= t - margin)
        for index in np.flatnonzero(unsure):
            result[index] = self.exact(int(values[index]))[0]
        return result


def _widen(lo: Floats, hi: Floats, size: Floats | float) -> tuple[Floats, Floats]:
    margin = size * _WIDEN
    return lo - margin, hi + margin


def _times(lo: Floats, hi: Floats, factor: Surd) -> tuple[Floats, Floats]:
    f = float(factor)
    a, b = lo * f, hi * f
    return _widen(np.minimum(a, b), np.maximum(a, b), np.maximum(np.abs(a), np.abs(b)))


def differences(
    f: Channel, table: Callable[[Ints], Ints], bounds: Ints, lo: int, hi: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (value, table code, network code) wherever the two differ."""
    if hi - lo < EXHAUSTIVE:
        values = np.arange(lo, hi + 1)
        got, want = table(values), f.codes(values)
        for i in np.flatnonzero(got != want)[:3]:
            yield int(values[i]), int(got[i]), int(want[i])
        return
    # The chain is linear where no bend changes side.  Between two values that take the same
    # sides and have the same code, every value has that code; elsewhere halve the run.  The table
    # is constant between its bounds, a requantization monotone everywhere.
    cuts = {lo, hi}
    for bound in np.unique(bounds).tolist():
        cuts.update(v for v in (bound, bound + 1) if lo <= v <= hi)
    ends = sorted(cuts)
    known = {v: (*f.exact(v), int(table(np.array([v]))[0])) for v in ends}
    runs = list(zip(ends, ends[1:], strict=False))
    while runs:
        a, b = runs.pop()
        if b - a > 1 and known[a] != known[b]:
            middle = (a + b) // 2
            known[middle] = (*f.exact(middle), int(table(np.array([middle]))[0]))
            runs += [(a, middle), (middle, b)]
    for v, (network_code, _, table_code) in sorted(known.items()):
        if table_code != network_code:
            yield v, table_code, network_code
