"""Requantization: from one integer scale to another by multiplier, bias and shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op, OperationCount
from ..rounding import fits_int64, round_shift
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Requantize(Op):
    """``y = clamp(round((x * multiplier[c] + bias[c]) / 2**shift[c]), lo, hi)`` in 64 bits.

    The integer form of an affine map of a real scale (Jacob et al., CVPR 2018, section 2.2).

    Attributes:
        multiplier: constant (C,) within 32 bits signed.
        bias: constant (C,).
        shift: constant (C,), 0 to 62.
        lo, hi: saturation bounds.
    """

    mnemonic: ClassVar[str] = "requantize"
    elementwise: ClassVar[bool] = True
    arithmetic: ClassVar[OperationCount] = OperationCount(
        adds=2, compares=2
    )  # bias, rounding; saturation
    scaling: ClassVar[tuple[str, ...]] = ("multiplier", "bias", "shift")

    multiplier: ConstRef
    bias: ConstRef
    shift: ConstRef
    lo: int
    hi: int

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        rows = [consts[n].values for n in (self.multiplier, self.bias, self.shift)]
        self.require(
            all(r.shape == (x.shape[2],) for r in rows),
            f"constants do not fit {x.shape[2]} channels",
        )
        self.require(self.lo <= self.hi, "empty saturation range")
        self.require(bool((np.abs(rows[0]) < 2**31).all()), "a multiplier needs more than 32 bits")
        self.require(bool(((rows[2] >= 0) & (rows[2] <= 62)).all()), "a shift leaves 0..62")
        lo, hi = x.channel_rows
        product = [end * rows[0].astype(object) + rows[1] for end in (lo, hi)]  # of any size
        half = np.left_shift(1, rows[2]) >> 1
        low, high = np.minimum(*product), np.maximum(*product)
        self.require(
            fits_int64((low - half).min() - 1, (high + half).max()),
            "the intermediate needs more than 64 bits",
        )
        low, high = (round_shift(v.astype(np.int64), rows[2]) for v in (low, high))
        return IntType.of_rows(x.shape, *(np.clip(v, self.lo, self.hi) for v in (low, high)))

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        product = inputs[0] * consts[self.multiplier].values + consts[self.bias].values
        return np.clip(round_shift(product, consts[self.shift].values), self.lo, self.hi)
