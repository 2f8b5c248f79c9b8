"""Copies of elements to other places: reorderings, selections, repetitions, zeros around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import Op
from ..types import Constant, IntArray, IntType, TensorType
from .arrangement import ArrangementTables
from .real.rearrange import RealRearrange


@dataclass(frozen=True, kw_only=True)
class Rearrange(ArrangementTables, Op):
    """``y[i, j, c] = x.flat[rows[i] + columns[j] + channels[c]]``; 0 where an entry is -1.

    Transposes, slices, channel shuffles, depth to space, nearest resizing and padding are this
    operation with other tables.
    """

    mnemonic: ClassVar[str] = "rearrange"

    @classmethod
    def of(cls, op: RealRearrange) -> Rearrange:
        """Return the same movement of integers."""
        return cls(
            output=op.output,
            inputs=op.inputs,
            origin=op.origin,
            rows=op.rows,
            columns=op.columns,
            channels=op.channels,
        )

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        moved = self.arrangement(consts)
        self.require(not (problem := moved.problem(x.size)), problem)
        lo, hi = x.channel_rows
        return IntType.of_rows(moved.shape, moved.least(lo), moved.greatest(hi))

    def in_place(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> bool:
        moved, size = self.arrangement(consts), prod(types[self.inputs[0]].shape)
        return moved.in_place and prod(moved.shape) == size

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        result: IntArray = self.arrangement(consts).apply(np.asarray(inputs[0]))
        return result
