"""The base class of the operations of the real dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...operation import Op
from ...types import Constant, RealType, Shape, TensorType
from .interval import Interval


@dataclass(frozen=True, kw_only=True)
class RealOp(Op):
    """An operation of the real dialect with one result of the same shape by default."""

    real: ClassVar[bool] = True

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> TensorType:
        return RealType(self.shape(types, consts))

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        """Return the shape of the result; check that the operation is legal."""
        return types[self.inputs[0]].shape

    def ranges(
        self,
        inputs: list[Interval],
        types: Mapping[str, TensorType],
        consts: Mapping[str, Constant],
    ) -> Interval:
        """Return an interval that holds the result, given intervals that hold the inputs."""
        raise TypeError(f"no range rule for {self.mnemonic}")
