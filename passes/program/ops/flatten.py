"""Flattening a map to a vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import Op
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Flatten(Op):
    """(H, W, C) to (1, 1, H·W·C) in the order of memory: no value moves.

    ONNX flattens channels first; the layer after it has its weights' columns reordered instead.
    """

    mnemonic: ClassVar[str] = "flatten"

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        lo, hi = (np.tile(row, x.shape[0] * x.shape[1]) for row in x.channel_rows)
        return IntType.of_rows((1, 1, x.size), lo, hi)

    def in_place(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> bool:
        return True

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        return inputs[0].reshape(len(inputs[0]), 1, 1, -1)
