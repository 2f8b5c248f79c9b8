"""A function of one number by straight pieces: Sigmoid, SiLU and the like in fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op, OperationCount
from ..rounding import round_shift
from ..types import Constant, IntArray, IntType, TensorType

_MOST = 2.0**62  # of sums, as float64 bounds them


@dataclass(frozen=True, kw_only=True)
class Interpolate(Op):
    """``y = round((base[c, i] + slope[c, i] * (t - i * 2**step)) / 2**shift)``, ``t = x - start``.

    Pieces are ``2**step`` integers wide: ``i = min(max(t >> step, 0), pieces - 1)``.  The first and
    the last go on beyond their ends.

    Attributes:
        base, slope: constants (1, N) or (C, N) for N pieces; ``|slope| < 2**31``.
        start: the first integer of the first piece.
        step: 0 to 31.
        shift: 0 to 62.
    """

    mnemonic: ClassVar[str] = "interpolate"
    elementwise: ClassVar[bool] = True
    arithmetic: ClassVar[OperationCount] = OperationCount(
        adds=3, compares=2
    )  # places, sum, rounding

    base: ConstRef
    slope: ConstRef
    start: int
    step: int
    shift: int

    def pieces(self, consts: Mapping[str, Constant]) -> int:
        """Return the number of pieces."""
        return int(consts[self.base].values.shape[1])

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        base, slope = consts[self.base].values, consts[self.slope].values
        self.require(
            base.ndim == 2 and base.shape == slope.shape and len(base) in (1, x.shape[2]),
            f"constants {base.shape} and {slope.shape} do not fit {x.shape[2]} channels",
        )
        count = base.shape[1]
        self.require(count > 0, "no pieces")
        self.require(bool((np.abs(slope) < 2**31).all()), "a slope needs more than 32 bits")
        self.require(0 <= self.step <= 31 and 0 <= self.shift <= 62, "step or shift out of range")
        far = max(abs(x.lo - self.start), abs(x.hi - self.start))
        self.require(far < _MOST, "the place needs more than 62 bits")
        inner = (1 << self.step) - 1
        behind = max(x.hi - self.start - ((count - 1) << self.step), inner)
        reach = np.full(count, float(inner))
        for piece, most in ((0, far), (-1, behind)):  # of one piece, both
            reach[piece] = max(reach[piece], float(most))
        sums = np.abs(base).astype(np.float64) + np.abs(slope).astype(np.float64) * reach
        self.require(float(sums.max()) + 2.0**self.shift < _MOST, "the sum needs more than 62 bits")
        return self._type(x, consts)

    def _type(self, x: IntType, consts: Mapping[str, Constant]) -> IntType:
        """Return the narrowest type: a piece is monotone, so its ends are its extremes."""
        ends = self.start + (np.arange(1, self.pieces(consts), dtype=np.int64) << self.step)
        ends = np.sort(np.concatenate([ends - 1, ends]))
        ends = ends[(ends >= x.lo) & (ends <= x.hi)]
        lo, hi = x.channel_rows
        tables = len(consts[self.base].values)
        at_ends = self._at(np.broadcast_to(ends[:, None], (len(ends), tables)), consts)
        sides = self._at(np.stack([lo, hi]), consts)
        least, greatest = sides.min(axis=0), sides.max(axis=0)
        first, last = np.searchsorted(ends, lo), np.searchsorted(ends, hi, side="right")
        for c, (a, b) in enumerate(zip(first, last, strict=True)):
            if a < b:
                part = at_ends[a:b, c if tables > 1 else 0]
                least[c], greatest[c] = min(least[c], part.min()), max(greatest[c], part.max())
        return IntType.of_rows(x.shape, least, greatest)

    def _at(self, x: IntArray, consts: Mapping[str, Constant]) -> IntArray:
        """Return the results at integers (..., C), or (..., 1) for one table."""
        base, slope = consts[self.base].values, consts[self.slope].values
        place = x - self.start
        piece = np.clip(place >> self.step, 0, base.shape[1] - 1)
        row = np.arange(len(base))
        total = base[row, piece] + slope[row, piece] * (place - (piece << self.step))
        return round_shift(total, self.shift)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        return self._at(inputs[0], consts)
