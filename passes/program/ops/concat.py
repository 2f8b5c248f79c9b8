"""Concatenation of channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import Op
from ..types import Constant, IntArray, IntType, TensorType


@dataclass(frozen=True, kw_only=True)
class Concat(Op):
    """``y = [a, b]`` along the channels, for inputs of equal map and scale."""

    mnemonic: ClassVar[str] = "concat"

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = self.integer_inputs(types)
        self.require(a.shape[:2] == b.shape[:2], f"maps {a.shape[:2]} and {b.shape[:2]} differ")
        self.require(a.scale == b.scale, f"scales {a.scale} and {b.scale} differ")
        rows = zip(a.channel_rows, b.channel_rows, strict=True)
        low, high = (np.concatenate(pair) for pair in rows)
        return IntType.of_rows((*a.shape[:2], a.shape[2] + b.shape[2]), low, high)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        return np.concatenate(inputs, axis=3)
