"""Float64 samples, with which the real dialect is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from n2uqc.frontend.expression import Expression
from n2uqc.frontend.expression_float import Float64Arithmetic

from .algebra import Number, Reals, Row, Table, floats


@dataclass(frozen=True, eq=False)
class Float64(Number):
    """Values of a tensor, float64 (..., C).  NaN stays NaN."""

    values: Reals

    def times(self, factor: Row) -> Float64:
        return Float64(self.values * floats(factor))

    def plus(self, term: Row) -> Float64:
        return Float64(self.values + floats(term))

    def constant(self, value: Row) -> Float64:
        return Float64(np.broadcast_to(floats(value), self.values.shape))

    def branch(
        self,
        level: Row,
        below: Callable[[Float64], Float64],
        above: Callable[[Float64], Float64],
    ) -> Float64:
        chosen = self.values >= floats(level)
        return Float64(np.where(chosen, above(self).values, below(self).values))

    def function(self, of: Expression, parameters: Table) -> Float64:
        rows = [floats(row) for row in parameters]
        result = of.evaluate(Float64Arithmetic(), self.values, rows)
        return Float64(np.broadcast_to(result, self.values.shape))

    def at_least(self, level: Row) -> Float64:
        return Float64(np.maximum(self.values, floats(level)))

    def at_most(self, level: Row) -> Float64:
        return Float64(np.minimum(self.values, floats(level)))
