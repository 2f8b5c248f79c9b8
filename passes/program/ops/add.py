"""Sum of streams of one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from ..operation import Op, OperationCount
from ..rounding import fits_int64
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Add(Op):
    """``y = x1 + x2``, exact, for inputs of equal shape and scale."""

    mnemonic: ClassVar[str] = "add"
    elementwise: ClassVar[bool] = True
    arithmetic: ClassVar[OperationCount] = OperationCount(adds=1)

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = self.integer_inputs(types)
        self.require(a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ")
        self.require(a.scale == b.scale, f"scales {a.scale} and {b.scale} differ")
        self.require(fits_int64(a.lo + b.lo, a.hi + b.hi), "the sum needs more than 64 bits")
        (a_lo, a_hi), (b_lo, b_hi) = a.channel_rows, b.channel_rows
        return IntType.of_rows(a.shape, a_lo + b_lo, a_hi + b_hi)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        result: IntArray = inputs[0] + inputs[1]
        return result
