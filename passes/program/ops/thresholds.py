"""The integer comparison table: what a learned quantizer and all before it fold into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import ConstRef, Op
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Thresholds(Op):
    """``code = base[c] + sum_k sign[c, k] * [x > bound[c, k]]``.

    Rows are sorted.  An increasing chain has all signs +1 and base 0; a decreasing one all -1 and
    base 2**b - 1; a non-monotone one mixes them.  Unused steps carry the bound ``hi`` of the
    input, which never fires.

    Attributes:
        bounds: constant (C, K), ascending in k.
        signs: constant (C, K) of ±1 (encoding odd1).
        base: constant (C,).
        bits: width of the code.
    """

    mnemonic: ClassVar[str] = "thresholds"

    bounds: ConstRef
    signs: ConstRef
    base: ConstRef
    bits: int

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x = types[self.inputs[0]]
        self.require(isinstance(x, IntType), "input is not an integer tensor")
        assert isinstance(x, IntType)
        bounds, signs = consts[self.bounds].values, consts[self.signs].values
        base = consts[self.base].values
        self.require(
            bounds.ndim == 2 and bounds.shape == signs.shape and bounds.shape[0] == x.shape[2]
            and base.shape == bounds.shape[:1],
            f"table {bounds.shape}, signs {signs.shape}, base {base.shape} do not fit "
            f"{x.shape[2]} channels",
        )
        self.require(bool((np.diff(bounds, axis=1) >= 0).all()), "thresholds out of order")
        self.require(bool((np.abs(signs) == 1).all()), "signs other than +1 and -1")
        lo, hi = x.channel_rows
        sums = base[:, None] + np.cumsum(signs, axis=1)
        # A sum is reached if its step can fire and the next one need not: steps at one bound
        # fire together, so only the last of them counts.
        last = np.append(np.diff(bounds, axis=1) > 0, np.ones((len(base), 1), bool), axis=1)
        fires = last & (bounds < hi[:, None])
        starts = bounds[:, 0] >= lo
        reached = np.concatenate([sums[fires], base[starts]])
        top = (1 << self.bits) - 1
        low = int(reached.min()) if reached.size else 0
        high = int(reached.max()) if reached.size else 0
        self.require(0 <= low and high <= top, f"codes {low}..{high} leave 0..{top}")
        return IntType(x.shape, self.bits, False, 0, top)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        x = inputs[0]
        bounds, signs = consts[self.bounds].values, consts[self.signs].values
        code = np.broadcast_to(consts[self.base].values, x.shape).astype(np.int64)
        for k in range(bounds.shape[1]):
            code += signs[:, k] * (x > bounds[:, k])
        return code
