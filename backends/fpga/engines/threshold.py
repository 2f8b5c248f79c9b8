"""The threshold unit: a quantizer as comparisons with integer bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Thresholds

from .elementwise import ElementwiseEngine


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdUnit(ElementwiseEngine):
    """PE elements per cycle, each compared with the K bounds of its channel.

    Either a pipelined binary search (FINN's RTL thresholding) with one comparison per stage, or all
    comparisons in parallel, in as many stages. The number of bounds passed is the code if all steps
    are upward; otherwise one more stage looks up the code.
    """

    kind: ClassVar[str] = "threshold"

    op: Thresholds

    @property
    def forms(self) -> tuple[str, ...]:
        return ("binary search", "parallel") if self.levels > 1 else ("binary search",)

    @property
    def levels(self) -> int:
        """Stages of the search."""
        return max(1, int(self.constants[self.op.signs].values.shape[1]).bit_length())

    @property
    def rising(self) -> bool:
        """Whether all steps are upward: the code is then the number of bounds passed."""
        return self.fact(
            "rising",
            lambda: (
                bool((self.values(self.op.signs) == 1).all())
                and not bool(self.values(self.op.base).any())
            ),
        )

    @property
    def latency(self) -> int:
        """Register stages of the search,
        and one for the lookup of the code if not all steps are upward.
        """
        return self.levels + (0 if self.rising else 1)

    def bound(self) -> int:
        return max(super().bound(), int(self.values(self.op.signs).shape[1]))

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        return {
            "bounds": self.values(self.op.bounds).T,
            "signs": self.values(self.op.signs).T,
            "base": self.values(self.op.base),
        }

    def numbers(self) -> Mapping[str, int]:
        return {"steps": self.values(self.op.bounds).shape[1]}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from tvm import tirx

        from ..lanes import Variable, serial, wide

        code = Variable(dtype, lanes, row("base"))
        value = Variable(dtype, lanes, element)
        zero = wide(0, dtype, lanes)
        with serial(0, number("steps", "int32", 1)) as k:
            fires = value.value > row("bounds", k)
            code.set(code.value + tirx.Select(fires, row("signs", k), zero))
        return code.value
