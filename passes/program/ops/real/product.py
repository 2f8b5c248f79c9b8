"""The product of two real tensors: a gate, squeeze-and-excite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Shape
from ..multiply import spreads
from .algebra import Reals
from .interval import Interval
from .layers import Constants, Types
from .operation import RealOp


@dataclass(frozen=True, kw_only=True)
class RealMultiply(RealOp):
    """``y = a * b``; where ``b`` has size 1 along an axis, its value is that of all places."""

    mnemonic: ClassVar[str] = "real_multiply"

    def shape(self, types: Types, consts: Constants) -> Shape:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = (types[i].shape for i in self.inputs)
        self.require(spreads(b, a), f"{b} cannot be spread over {a}")
        return a

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        a, b = inputs
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(np.minimum.reduce(ends), np.maximum.reduce(ends))

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
        return inputs[0] * inputs[1]
