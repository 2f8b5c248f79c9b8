"""Pooling: maximum, and sum (an average's division joins the next requantization)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import Op
from ..rounding import fits_int64
from ..types import Constant, IntArray, IntType, Shape, TensorType
from .window import Pads, Pair, output_size, windows


@dataclass(frozen=True, kw_only=True)
class _Pool(Op):
    """Fields common to both; pads of MaxPool never win, pads of SumPool count as zero."""

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    def _shape(self, types: Mapping[str, TensorType]) -> tuple[IntType, Shape]:
        x, = self.integer_inputs(types)
        size = output_size(x.shape[:2], self.kernel, self.stride, self.pads, (1, 1))
        self.require(min(size) > 0, f"the window does not fit a map of {x.shape[0]}x{x.shape[1]}")
        self.require(
            all(p < k for p, k in zip(self.pads, self.kernel * 2, strict=True)),
            "padding as wide as the window",
        )
        return x, (*size, x.shape[2])


@dataclass(frozen=True, kw_only=True)
class MaxPool(_Pool):
    """``y = max`` over the window's positions inside the map."""

    mnemonic: ClassVar[str] = "maxpool"

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x, shape = self._shape(types)
        return IntType.of_rows(shape, *x.channel_rows)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        least = np.iinfo(np.int64).min
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), least)
        result: IntArray = view.max(axis=(4, 5))
        return result


@dataclass(frozen=True, kw_only=True)
class SumPool(_Pool):
    """``y = sum`` over the window, zeros outside the map."""

    mnemonic: ClassVar[str] = "sumpool"

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x, shape = self._shape(types)
        count = self.kernel[0] * self.kernel[1]
        self.require(fits_int64(x.lo * count, x.hi * count), "the sum needs more than 64 bits")
        lo, hi = (row * count for row in x.channel_rows)
        if any(self.pads):
            lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
        return IntType.of_rows(shape, lo, hi)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), 0)
        result: IntArray = view.sum(axis=(4, 5))
        return result
