"""How fine fixed-point numbers have to be so that rounding them flips no activation code.

A value that is off by ``e`` takes the other side of a threshold with probability ``e`` times the
density of values there.  A deep network compares millions of values per image, and in some networks
a single flipped code changes a tenth of the last layers' codes.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

import numpy as np

from n2uqc.frontend.expression import Expression

from ..program import Program
from ..program.ops.real import (
    Elementwise,
    Enclosure,
    EnclosureArithmetic,
    Number,
    Quantize,
    Reals,
    Row,
    Table,
    floats,
)
from ..program.types import IntType

FLIPS = 2.0**-7
"""Expected number of codes per image that rounding may flip."""

_SEEN = np.linspace(-16.0, 16.0, 257)[:, None]
"""Ends of the parts of a range on which functions are bounded."""

_MOST = 2.0**200
"""Limit of a density, above which no format is fine enough anyway."""


@dataclass(frozen=True, eq=False)
class Steepness(Number):
    """Greatest error of a chain's result per unit of error in its input, for each channel (C,)."""

    slope: Reals

    def times(self, factor: Row) -> Steepness:
        return Steepness(self.slope * np.abs(floats(factor)))

    def plus(self, term: Row) -> Steepness:
        return self

    def constant(self, value: Row) -> Steepness:
        return Steepness(np.zeros_like(self.slope))

    def branch(
        self,
        level: Row,
        below: Callable[[Steepness], Steepness],
        above: Callable[[Steepness], Steepness],
    ) -> Steepness:
        return Steepness(np.maximum(below(self).slope, above(self).slope))

    def function(self, of: Expression, parameters: Table) -> Steepness:
        """Take the steepest slope on ``_SEEN``, which functions of activations are made for."""
        rows = [Enclosure.fixed(floats(row), False) for row in parameters]
        curve = of.evaluate(EnclosureArithmetic(), Enclosure.of(_SEEN[:-1], _SEEN[1:]), rows)
        assert curve.slope is not None
        steep = np.maximum(np.abs(curve.slope[0]), np.abs(curve.slope[1]))
        steep = np.broadcast_to(steep, np.broadcast_shapes(steep.shape, (*_SEEN[1:].shape[:1], 1)))
        most = np.where(np.isfinite(steep), steep, 0.0).max(axis=0)
        return Steepness(self.slope * most)


@np.errstate(over="ignore", invalid="ignore")
def comparison_density(program: Program, formatted: Set[str]) -> float:
    """Return the expected flips per image and per unit of error in each compared tensor.

    Values are assumed to be spread evenly over the range of the thresholds: where the K thresholds
    of a channel span a range s, the density of values at thresholds is (K - 1) / s.

    Args:
        program: real dialect.
        formatted: names of the tensors that become fixed point; quantizers of exact accumulators
            do not count.
    """
    producers = {op.output: op for op in program.ops}
    density = 0.0
    for op in program.ops:
        if not isinstance(op, Quantize):
            continue
        height, width, channels = program.types[op.output].shape
        steep = Steepness(np.ones(channels)).times((op.input_scale,))
        name = op.inputs[0]
        while name not in formatted and not isinstance(program.types[name], IntType):
            link = producers[name]
            assert isinstance(link, Elementwise), f"%{name} needs a format"
            steep, name = link.evaluate(steep), link.inputs[0]  # slopes multiply in any order
        if name in formatted:
            ends = np.array([(float(row[0]), float(row[-1])) for row in op.thresholds])
            span = ends[:, 1] - ends[:, 0]
            gaps = max(1, len(op.thresholds[0]) - 1)
            crowd = gaps / np.where(span > 0, span, gaps)
            density += float(height * width * (crowd * steep.slope).sum())
    return density if density < _MOST else _MOST  # also where slopes leave float64


def wanted_fraction_bits(density: float) -> int:
    """Return the fraction bits at which rounding flips fewer than ``FLIPS`` codes on average."""
    return int(np.ceil(np.log2(max(density, 1.0) / FLIPS)))
