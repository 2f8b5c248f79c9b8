"""Copies of elements to other places: reorderings, selections, repetitions, zeros around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op
from ..types import Constant, IntArray, IntType, TensorType
from .arrangement import Arrangement, of_constants
from .real.rearrange import RealRearrange


@dataclass(frozen=True, kw_only=True)
class Rearrange(Op):
    """``y[i, j, c] = x.flat[rows[i] + columns[j] + channels[c]]``; 0 where an entry is -1.

    Transposes, slices, channel shuffles, depth to space, nearest resizing and padding are this
    operation with other tables.

    Attributes:
        rows, columns, channels: constants (H,), (W,), (C,) of the result's shape, whose sums are
            places of the input in the order of memory.
    """

    mnemonic: ClassVar[str] = "rearrange"

    rows: ConstRef
    columns: ConstRef
    channels: ConstRef

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

    def arrangement(self, consts: Mapping[str, Constant]) -> Arrangement:
        """Return its tables."""
        return of_constants(consts[n].values for n in (self.rows, self.columns, self.channels))

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        made = self.arrangement(consts)
        self.require(not (problem := made.problem(x.size)), problem)
        lo, hi = x.channel_rows
        return IntType.of_rows(made.shape, made.least(lo), made.greatest(hi))

    def in_place(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> bool:
        made, size = self.arrangement(consts), prod(types[self.inputs[0]].shape)
        return made.in_place and prod(made.shape) == size

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        result: IntArray = self.arrangement(consts).apply(np.asarray(inputs[0]))
        return result
