"""Table lookup: the levels of a codebook quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Lookup(Op):
    """``y = table[x]``: nonuniform output levels need this decoder, N2UQ's even ones do not.

    Attributes:
        table: constant (K,), one entry for each code 0 .. K-1 of the input.
    """

    mnemonic: ClassVar[str] = "lookup"
    elementwise: ClassVar[bool] = True

    table: ConstRef

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        table = consts[self.table].values
        self.require(table.ndim == 1, f"the table has shape {table.shape}")
        self.require(
            0 <= x.lo and x.hi < len(table), f"codes {x.lo}..{x.hi} leave a table of {len(table)}"
        )
        runs = [table[lo : hi + 1] for lo, hi in zip(*x.channel_rows, strict=True)]
        low, high = (np.array([f(r) for r in runs], dtype=np.int64) for f in (np.min, np.max))
        return IntType.of_rows(x.shape, low, high)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        result: IntArray = consts[self.table].values[inputs[0]]
        return result
