"""Operations of the real dialect in which each result depends on one input value only.

A new operation states its parameters (those that differ per channel as a ``Row``) and ``evaluate``,
by which passes fold, bound and execute it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from ...exact import Surd
from ...types import Constant, Shape, TensorType
from .algebra import Number, Reals, Row
from .float64 import Float64
from .interval import Interval
from .operation import RealOp

N = TypeVar("N", bound=Number)

_ZERO = (Surd.of(0),)


@dataclass(frozen=True, kw_only=True)
class Elementwise(RealOp):
    """``y = f(x)`` for each value, with parameters of the tensor or of each channel."""

    elementwise: ClassVar[bool] = True

    def evaluate(self, x: N) -> N:
        """Return ``f`` of numbers of any kind."""
        raise NotImplementedError

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        shape = types[self.inputs[0]].shape
        self.require(
            all(len(getattr(self, name)) == shape[2] for name in self.row_fields()),
            f"parameters do not fit {shape[2]} channels",
        )
        return shape

    @classmethod
    def row_fields(cls) -> tuple[str, ...]:
        """Name the fields that hold a number for each channel."""
        return tuple(f.name for f in fields(cls) if f.type in ("Row", Row))

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the same operation where channel ``order[c]`` has become channel ``c``."""
        rows: dict[str, Any] = {
            name: tuple(getattr(self, name)[c] for c in order) for name in self.row_fields()
        }
        return replace(self, **rows)

    def ranges(
        self,
        inputs: list[Interval],
        types: Mapping[str, TensorType],
        consts: Mapping[str, Constant],
    ) -> Interval:
        return self.evaluate(inputs[0])

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        return self.evaluate(Float64(inputs[0])).values


@dataclass(frozen=True, kw_only=True)
class Affine(Elementwise):
    """``y = slope[c] * x + offset[c]``: BatchNorm, biases, scales."""

    mnemonic: ClassVar[str] = "affine"

    slope: Row
    offset: Row

    def evaluate(self, x: N) -> N:
        return x.times(self.slope).plus(self.offset)


@dataclass(frozen=True, kw_only=True)
class RealPRelu(Elementwise):
    """``y = x >= 0 ? x : slope[c] * x``."""

    mnemonic: ClassVar[str] = "real_prelu"

    slope: Row

    def evaluate(self, x: N) -> N:
        return x.branch(_ZERO, lambda v: v.times(self.slope), lambda v: v)


@dataclass(frozen=True, kw_only=True)
class RealClip(Elementwise):
    """``y = min(max(x, lo), hi)``; a bound of None is absent.  ReLU has lo 0."""

    mnemonic: ClassVar[str] = "real_clip"

    lo: Surd | None
    hi: Surd | None

    def evaluate(self, x: N) -> N:
        if self.lo is not None:
            x = x.at_least((self.lo,))
        return x if self.hi is None else x.at_most((self.hi,))
