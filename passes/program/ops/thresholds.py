"""The integer comparison table: what a learned quantizer and all before it fold into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op
from ..types import Constant, IntArray, IntType, TensorType

_FEW = 16
"""Thresholds up to which as many comparisons of whole maps take no longer than a search."""


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
    elementwise: ClassVar[bool] = True

    bounds: ConstRef
    signs: ConstRef
    base: ConstRef
    bits: int

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        self.require(1 <= self.bits <= 32, f"codes of {self.bits} bits")
        bounds, signs = consts[self.bounds].values, consts[self.signs].values
        base = consts[self.base].values
        self.require(
            bounds.ndim == 2
            and bounds.shape == signs.shape
            and bounds.shape[0] == x.shape[2]
            and base.shape == bounds.shape[:1],
            f"table {bounds.shape}, signs {signs.shape}, base {base.shape} do not fit "
            f"{x.shape[2]} channels",
        )
        self.require(bool((np.diff(bounds, axis=1) >= 0).all()), "thresholds out of order")
        self.require(bool((np.abs(signs) == 1).all()), "signs other than +1 and -1")
        low, high = self.reached(x, consts)
        top = (1 << self.bits) - 1
        self.require(
            0 <= low.min() and high.max() <= top, f"codes {low.min()}..{high.max()} leave 0..{top}"
        )
        return replace(IntType(x.shape, self.bits, False, 0, top), rows=(low, high))

    def reached(self, x: IntType, consts: Mapping[str, Constant]) -> tuple[IntArray, IntArray]:
        """Return least and greatest code of each channel over its reachable inputs,
        int64 (C,) each.
        """
        bounds, sums = consts[self.bounds].values, self._sums(consts)
        lo, hi = (row[:, None] for row in x.channel_rows)
        # Sum k holds for values in (bounds[k-1], bounds[k]]: reached if that run meets [lo, hi].
        after = np.append(lo - 1, bounds, axis=1)
        until = np.append(bounds, hi, axis=1)
        meets = np.maximum(after + 1, lo) <= np.minimum(until, hi)
        least = np.where(meets, sums, np.iinfo(np.int64).max).min(axis=1)
        greatest = np.where(meets, sums, np.iinfo(np.int64).min).max(axis=1)
        return least, greatest

    def _sums(self, consts: Mapping[str, Constant]) -> IntArray:
        """Return the code of each channel behind each number of passed bounds, int64 (C, K + 1)."""
        base, signs = consts[self.base].values[:, None], consts[self.signs].values
        return np.append(base, base + np.cumsum(signs, axis=1), axis=1)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        x = inputs[0]
        bounds, signs = consts[self.bounds].values, consts[self.signs].values
        if bounds.shape[1] <= _FEW:
            code = np.broadcast_to(consts[self.base].values, x.shape).astype(np.int64)
            for k in range(bounds.shape[1]):
                code += signs[:, k] * (x > bounds[:, k])
            return code
        code, sums = np.empty(x.shape, np.int64), self._sums(consts)
        for c, row in enumerate(bounds):
            code[..., c] = sums[c][np.searchsorted(row, x[..., c])]
        return code
