"""Product of two streams: a gate, squeeze-and-excite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import Op, OperationCount
from ..rounding import fits_int64
from ..types import Constant, IntArray, IntType, Shape, TensorType


@dataclass(frozen=True, kw_only=True)
class Multiply(Op):
    """``y = a * b``, exact; where ``b`` has size 1 along an axis, its value is that of all places.

    The result is as wide as the product; a requantization after it rounds.
    """

    mnemonic: ClassVar[str] = "multiply"
    elementwise: ClassVar[bool] = True
    arithmetic: ClassVar[OperationCount] = OperationCount()

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = self.integer_inputs(types)
        self.require(spreads(b.shape, a.shape), f"{b.shape} cannot be spread over {a.shape}")
        pairs = [(x, y) for x in a.channel_rows for y in b.channel_rows]
        ends = [x.astype(object) * y for x, y in pairs]  # of any size
        low, high = np.minimum.reduce(ends), np.maximum.reduce(ends)
        self.require(fits_int64(low.min(), high.max()), "the product needs more than 64 bits")
        return IntType.of_rows(a.shape, low.astype(np.int64), high.astype(np.int64))

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        result: IntArray = inputs[0] * inputs[1]
        return result


def spreads(small: Shape, large: Shape) -> bool:
    """Tell whether a tensor can be repeated along axes of size 1 to have another's shape."""
    return all(n in (1, m) for n, m in zip(small, large, strict=True))
