"""The protocol of the numbers that chains of elementwise operations are evaluated over.

An elementwise operation states its meaning once (``Elementwise.evaluate``), in the few steps of a
``Number``.  A pass chooses the kind of number by what it needs to know of a chain: float64 samples
(``float64.py``), intervals (``interval.py``), functions of an integer in exact or in filtered
numbers (``passes/exact``), steepness (``passes/fixed_point/expected_flips.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.expression import Expression

from ...exact import Surd

Row = tuple[Surd, ...]
"""One exact number for each channel; as a step of a ``Number`` also a single one for all."""

Table = tuple[Row, ...]
"""Rows: of thresholds, of parameters; one row for the tensor, or one for each channel."""

Reals = NDArray[np.float64]


def floats(row: Row) -> Reals:
    """Return the nearest float64 of each number."""
    return np.array([float(v) for v in row])


class Number(ABC):
    """The values of a tensor's channels, or of one of them, in some kind of number.

    Immutable.  In every kind, the result of a step equals the exact result, or bounds it.
    """

    @abstractmethod
    def times(self, factor: Row) -> Self:
        """Multiply by exact numbers."""

    @abstractmethod
    def plus(self, term: Row) -> Self:
        """Add exact numbers."""

    @abstractmethod
    def constant(self, value: Row) -> Self:
        """Return exact numbers in place of these."""

    @abstractmethod
    def branch(
        self, level: Row, below: Callable[[Self], Self], above: Callable[[Self], Self]
    ) -> Self:
        """Take ``below`` of what is less than a level, ``above`` of the rest.

        Args:
            level: exact numbers.
            below, above: steps of numbers; their results agree where a value is the level itself,
                so that the whole is continuous and an estimate may take either there.
        """

    @abstractmethod
    def function(self, of: Expression, parameters: Table) -> Self:
        """Apply a function that is not linear by pieces.

        Args:
            of: an expression of ``frontend/expression.py`` over these numbers.
            parameters: for each parameter of the expression its numbers by channel.
        """

    def at_least(self, level: Row) -> Self:
        """Take the greater of each and a level."""
        return self.branch(level, lambda x: x.constant(level), lambda x: x)

    def at_most(self, level: Row) -> Self:
        """Take the less of each and a level."""
        return self.branch(level, lambda x: x, lambda x: x.constant(level))
