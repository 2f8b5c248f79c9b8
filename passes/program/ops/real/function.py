"""A function of one number that is not linear by pieces: Sigmoid, SiLU, GELU, Softplus, …"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

from n2uqc.frontend.expression import Expression, parse

from ...types import Constant, Shape, TensorType
from .algebra import Table
from .elementwise import Elementwise, N


@dataclass(frozen=True, kw_only=True)
class RealFunction(Elementwise):
    """``y = f(x)``, with f an expression.

    Attributes:
        expression: text of ``frontend/expression.py``.
        parameters: the numbers of each channel that it names ``p0``, ``p1``, …
    """

    mnemonic: ClassVar[str] = "real_function"

    expression: str
    parameters: Table = ()

    @cached_property
    def function(self) -> Expression:
        """The expression."""
        return parse(self.expression)

    @property
    def is_square(self) -> bool:
        """Whether it is ``x * x``: an exact product serves better than straight pieces."""
        return self.expression in ("pow(x,2)", "mul(x,x)")

    def evaluate(self, x: N) -> N:
        return x.function(self.function, self.parameters)

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        shape = types[self.inputs[0]].shape
        try:
            wanted = self.function.parameters
        except ValueError as error:
            self.require(False, str(error))
            raise
        self.require(wanted <= len(self.parameters), f"its expression has {wanted} parameters")
        fit = all(len(row) == shape[2] for row in self.parameters)
        self.require(fit, f"parameters do not fit {shape[2]} channels")
        return shape

    def reordered(self, order: Sequence[int]) -> Self:
        rows = tuple(tuple(row[c] for c in order) for row in self.parameters)
        return replace(self, parameters=rows)
