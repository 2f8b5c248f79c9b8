"""Copies of elements to other places, of real numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...operation import ConstRef
from ...types import Constant, Shape, TensorType
from ..arrangement import Arrangement, of_constants
from .algebra import Reals
from .interval import Interval
from .operation import RealOp


@dataclass(frozen=True, kw_only=True)
class RealRearrange(RealOp):
    """``y[i, j, c] = x.flat[rows[i] + columns[j] + channels[c]]``; see ``Rearrange``."""

    mnemonic: ClassVar[str] = "real_rearrange"

    rows: ConstRef
    columns: ConstRef
    channels: ConstRef

    def arrangement(self, consts: Mapping[str, Constant]) -> Arrangement:
        """Return its tables."""
        return of_constants(consts[n].values for n in (self.rows, self.columns, self.channels))

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        made = self.arrangement(consts)
        self.require(not (problem := made.problem(height * width * channels)), problem)
        return made.shape

    def ranges(
        self,
        inputs: list[Interval],
        types: Mapping[str, TensorType],
        consts: Mapping[str, Constant],
    ) -> Interval:
        made = self.arrangement(consts)
        return Interval(made.least(inputs[0].lo), made.greatest(inputs[0].hi))

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        result: Reals = self.arrangement(consts).apply(inputs[0])
        return result
