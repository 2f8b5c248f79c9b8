"""PReLU on a fixed-point stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import ConstRef, Op
from ..rounding import fits_int64, round_shift, round_shift_exact
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class PRelu(Op):
    """``y = clamp((x >= 0 ? x : round(x * multiplier[c] / 2**shift)) + bias[c], lo, hi)``.

    Attributes:
        multiplier: constant (C,) within 32 bits signed; slope = multiplier / 2**shift.
        shift: 0 to 31.
        bias: constant (C,), added after the bend.
        lo, hi: saturation bounds.
    """

    mnemonic: ClassVar[str] = "prelu"

    multiplier: ConstRef
    shift: int
    bias: ConstRef
    lo: int
    hi: int

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x, = self.integer_inputs(types)
        slope, bias = consts[self.multiplier].values, consts[self.bias].values
        self.require(
            slope.shape == bias.shape == (x.shape[2],), f"constants do not fit {x.shape[2]} "
            "channels",
        )
        self.require(self.lo <= self.hi, "empty saturation range")
        self.require(0 <= self.shift <= 31, "shift leaves 0..31")
        self.require(bool((np.abs(slope) < 2**31).all()), "a multiplier needs more than 32 bits")
        ends = zip(*(r.tolist() for r in (*x.channel_rows, slope, bias)), strict=True)
        found = [self._channel(*channel) for channel in ends]
        low, high = (np.array([f[k] for f in found], dtype=np.int64) for k in (0, 1))
        return IntType.of_rows(x.shape, low, high)

    def _channel(self, lo: int, hi: int, m: int, b: int) -> tuple[int, int]:
        """Range of one channel's results, in Python integers."""
        half = (1 << self.shift) >> 1
        reached = [hi, max(lo, 0)] if hi >= 0 else []
        if lo < 0:
            below = [lo, min(hi, -1)]
            self.require(
                all(fits_int64(abs(v * m) + half + 1, abs(v * m) + abs(b)) for v in below),
                "the intermediate needs more than 64 bits",
            )
            reached += [round_shift_exact(v * m, self.shift) for v in below]
        low, high = min(reached) + b, max(reached) + b
        return min(max(low, self.lo), self.hi), min(max(high, self.lo), self.hi)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        x = inputs[0]
        bent = round_shift(np.minimum(x, 0) * consts[self.multiplier].values, self.shift)
        y = np.where(x >= 0, x, bent) + consts[self.bias].values
        result: IntArray = np.clip(y, self.lo, self.hi)
        return result
