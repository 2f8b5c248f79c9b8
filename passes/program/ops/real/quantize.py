"""The learned quantizer: where real numbers become codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...exact import Surd
from ...types import Constant, IntType, TensorType
from .algebra import Reals, Table, floats
from .operation import RealOp

Rules = tuple[tuple[bool, ...], ...]
"""Rows of comparison rules, as of thresholds: true for ``>``, false for ``>=``."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Quantize(RealOp):
    """A learned quantizer: ``code = sum_k [input_scale * x > thresholds[k]]`` (>= if not strict).

    Liu et al., CVPR 2022 (arXiv 2111.14826), section 3.1.  The result is an integer tensor whose
    scale is the step between output levels.  ``ties``, if given, holds a rule for each threshold in
    place of ``strict``, one row or one per channel: rounding half to even alternates between them.
    """

    mnemonic: ClassVar[str] = "quantize"

    thresholds: Table
    input_scale: Surd
    strict: bool
    step: Surd
    bits: int
    ties: Rules = ()

    @cached_property  # types are inferred many times
    def _ordered(self) -> bool:
        return all(a <= b for row in self.thresholds for a, b in zip(row, row[1:], strict=False))

    @property
    def rules(self) -> Rules:
        """Return the comparison rule of each threshold, in one row or one row per channel."""
        return self.ties or ((self.strict,) * max(map(len, self.thresholds)),)

    def rules_of(self, channel: int) -> tuple[bool, ...]:
        """Return the rules of one channel's thresholds: true for ``>``, false for ``>=``."""
        return self.rules[channel if len(self.rules) > 1 else 0]

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        shape = types[self.inputs[0]].shape
        self.require(len(self.thresholds) in (1, shape[2]), "thresholds do not fit the channels")
        self.require(self.step.rational is not None, "irrational step")
        self.require(1 <= self.bits <= 32, f"codes of {self.bits} bits")
        top = (1 << self.bits) - 1
        self.require(all(len(row) <= top for row in self.thresholds), f"more than {top} thresholds")
        self.require(self._ordered, "thresholds out of order")
        self.require(
            all(len(row) == len(self.rules[0]) for row in (*self.thresholds, *self.rules))
            and len(self.rules) in (1, shape[2]),
            "rules do not fit thresholds",
        )
        return IntType(shape, self.bits, False, 0, top, self.step.rational)

    def reordered(self, order: Sequence[int]) -> Quantize:
        """Return the same quantizer where channel ``order[c]`` has become channel ``c``."""
        return replace(
            self, thresholds=_moved(self.thresholds, order), ties=_moved(self.ties, order)
        )

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> NDArray[np.int64]:
        x = inputs[0] * float(self.input_scale)
        table = np.array([floats(row) for row in self.thresholds])
        # x >= t is x > the number before t: then one search counts the thresholds below x.
        below = np.where(np.array(self.rules), table, np.nextafter(table, -np.inf))
        result = np.empty(x.shape, dtype=np.int64)
        for c, row in enumerate(np.sort(below)):
            channels = slice(c, c + 1) if len(below) > 1 else slice(None)
            result[..., channels] = np.searchsorted(row, x[..., channels])
        result[np.isnan(x)] = 0  # which passes no threshold; the search puts it last
        return result


def _moved(rows: tuple[T, ...], order: Sequence[int]) -> tuple[T, ...]:
    """Put the rows of the channels in another order; a single row serves all channels."""
    return rows if len(rows) <= 1 else tuple(rows[c] for c in order)
