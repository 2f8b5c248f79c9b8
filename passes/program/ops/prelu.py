"""PReLU on a fixed-point stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op, OperationCount
from ..rounding import fits_int64, round_product
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class PRelu(Op):
    """``y = clamp((x >= 0 ? x : round(x * multiplier[c] / 2**shift)) + bias[c], lo, hi)``.

    The product may need more than 64 bits, the result may not.

    Attributes:
        multiplier: constant (C,) within 32 bits signed; slope = multiplier / 2**shift.
        shift: 0 to 31.
        bias: constant (C,), added after the bend.
        lo, hi: saturation bounds.
    """

    mnemonic: ClassVar[str] = "prelu"
    elementwise: ClassVar[bool] = True
    arithmetic: ClassVar[OperationCount] = OperationCount(
        adds=2, compares=3
    )  # bias, rounding; ends, bend
    scaling: ClassVar[tuple[str, ...]] = ("multiplier", "bias")

    multiplier: ConstRef
    shift: int
    bias: ConstRef
    lo: int
    hi: int

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        slope, bias = consts[self.multiplier].values, consts[self.bias].values
        self.require(
            slope.shape == bias.shape == (x.shape[2],),
            f"constants do not fit {x.shape[2]} channels",
        )
        self.require(self.lo <= self.hi, "empty saturation range")
        self.require(0 <= self.shift <= 31, "shift leaves 0..31")
        self.require(bool((np.abs(slope) < 2**31).all()), "a multiplier needs more than 32 bits")
        lo, hi = x.channel_rows
        # Reachable values below 0 are bent, monotone in either direction; the others stay.
        products = [np.minimum(v, 0) * slope.astype(object) for v in (lo, np.minimum(hi, -1))]
        most = np.maximum(*(abs(p) for p in products))
        bent_most = (most + abs(slope.astype(object)) * 2**31) // 2**self.shift + 1
        self.require(
            fits_int64((np.maximum(bent_most, hi) + abs(bias)).max()),
            "the result needs more than 64 bits",
        )
        bent = [
            round_product(v, slope, self.shift) for v in (np.minimum(lo, 0), np.minimum(hi, -1))
        ]
        least, greatest = (
            pick(np.where(lo < 0, pick(*bent), far), np.where(hi >= 0, kept, far))
            for pick, kept, far in (
                (np.minimum, np.maximum(lo, 0), 2**63 - 1),
                (np.maximum, hi, -(2**63)),
            )
        )
        return IntType.of_rows(
            x.shape, *(np.clip(v + bias, self.lo, self.hi) for v in (least, greatest))
        )

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        x = inputs[0]
        bent = round_product(np.minimum(x, 0), consts[self.multiplier].values, self.shift)
        y = np.where(x >= 0, x, bent) + consts[self.bias].values
        result: IntArray = np.clip(y, self.lo, self.hi)
        return result
