"""One number of one channel: what exact numbers and balls have in common.

They decide single codes where float64 leaves them open; see ``curved_points``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from n2uqc.frontend.expression import Arithmetic, Expression

from ..program.exact import Surd
from ..program.ops.real import Number, Row, Table


class Undecided(Exception):
    """A code that cannot be told; the message says why."""


@dataclass(frozen=True)
class ChannelNumber(Number):
    """A number of one channel.

    Attributes:
        value: the number.
        channel: index of the channel, which selects its number in a row.
        arithmetic: how functions are evaluated.
    """

    arithmetic: ClassVar[Arithmetic[Any]]

    value: Any
    channel: int

    @abstractmethod
    def number(self, value: Surd) -> Any:
        """Return an exact number in this kind."""

    def own(self, row: Row) -> Any:
        """Return the channel's number in a row."""
        return self.number(row[self.channel if len(row) > 1 else 0])

    def times(self, factor: Row) -> Self:
        return replace(self, value=self.value * self.own(factor))

    def plus(self, term: Row) -> Self:
        return replace(self, value=self.value + self.own(term))

    def constant(self, value: Row) -> Self:
        return replace(self, value=self.own(value))

    def function(self, of: Expression, parameters: Table) -> Self:
        rows = [self.own(row) for row in parameters]
        return replace(self, value=of.evaluate(self.arithmetic, self.value, rows))
