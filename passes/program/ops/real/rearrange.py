"""Copies of elements to other places, of real numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...types import Constant, Shape, TensorType
from ..arrangement import ArrangementTables
from .algebra import Reals
from .interval import Interval
from .operation import RealOp


@dataclass(frozen=True, kw_only=True)
class RealRearrange(ArrangementTables, RealOp):
    """``y[i, j, c] = x.flat[rows[i] + columns[j] + channels[c]]``; see ``Rearrange``."""

    mnemonic: ClassVar[str] = "real_rearrange"

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        moved = self.arrangement(consts)
        self.require(not (problem := moved.problem(height * width * channels)), problem)
        return moved.shape

    def ranges(
        self,
        inputs: list[Interval],
        types: Mapping[str, TensorType],
        consts: Mapping[str, Constant],
    ) -> Interval:
        moved = self.arrangement(consts)
        return Interval(moved.least(inputs[0].lo), moved.greatest(inputs[0].hi))

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        result: Reals = self.arrangement(consts).apply(inputs[0])
        return result
