"""What every operation of a Program is; every one is a subclass of its own in ``ops/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, NewType

import numpy as np
from numpy.typing import NDArray

from .types import Constant, IntArray, IntType, TensorType

ConstRef = NewType("ConstRef", str)
"""The name of a constant of the program, as a field of an operation."""

OPS: dict[str, type[Op]] = {}
"""Every operation by its mnemonic; a subclass of Op enters itself."""


class IllegalOp(ValueError):
    """An operation breaks its rule; the message says which and where."""


@dataclass(frozen=True)
class OperationCount:
    """Additions and comparisons of one step of an operation, multiplications apart."""

    adds: int = 0
    compares: int = 0

    def __mul__(self, steps: int) -> OperationCount:
        return OperationCount(self.adds * steps, self.compares * steps)


def integer(name: str, tensor_type: TensorType) -> IntType:
    """Return a tensor's type, which has to be an integer one.

    Raises:
        IllegalOp: naming the tensor, which is still real-valued.
    """
    if not isinstance(tensor_type, IntType):
        raise IllegalOp(f"%{name} is still real-valued: {tensor_type}")
    return tensor_type


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation.  A subclass is the single place that says all about it.

    Its dataclass fields are its attributes (numbers, tuples, ConstRef) and are printed, parsed and
    stored from their annotations.

    Attributes:
        output: name of the tensor it defines.
        inputs: names of the tensors it reads.
        origin: names of the ONNX nodes it stands for, by which checks find its part of a network.
    """

    mnemonic: ClassVar[str] = ""
    real: ClassVar[bool] = False  # true: belongs to the real dialect, gone after lowering
    elementwise: ClassVar[bool] = False  # true: an element needs only those at its place
    arithmetic: ClassVar[OperationCount] = OperationCount()  # of a step; an element takes ``steps``
    scaling: ClassVar[tuple[str, ...]] = ()  # fields of the channels' constants, multiplier first

    output: str
    inputs: tuple[str, ...]
    origin: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", tuple(dict.fromkeys(self.origin)))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.mnemonic:
            OPS[cls.mnemonic] = cls

    def require(self, condition: bool, message: str) -> None:
        """Raise IllegalOp, naming this operation, unless the condition holds."""
        if not condition:
            where = f" (from {', '.join(self.origin)})" if self.origin else ""
            raise IllegalOp(f"%{self.output} = {self.mnemonic}{where}: {message}")

    def integer_inputs(self, types: Mapping[str, TensorType]) -> tuple[IntType, ...]:
        """Return the types of its inputs, all of which must be integer tensors."""
        integer = tuple(t for name in self.inputs if isinstance(t := types[name], IntType))
        self.require(len(integer) == len(self.inputs), "input is not an integer tensor")
        return integer

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> TensorType:
        """Return the narrowest type its result can have; checks its own legality.

        Raises:
            IllegalOp: shapes, ranges or intermediates break the operation's rule.
        """
        raise NotImplementedError

    def infer_integer(
        self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]
    ) -> IntType:
        """Infer the type of a result that is an integer tensor; see ``infer``.

        Raises:
            IllegalOp: as ``infer`` does, or it gives real numbers.
        """
        return integer(self.output, self.infer(types, consts))

    def execute(
        self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]
    ) -> IntArray | NDArray[np.float64]:
        """Compute a batch (N, H, W, C), int64 (float64 in the real dialect): the definition."""
        raise NotImplementedError

    def in_place(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> bool:
        """Return whether the result is the input in the order of memory: no value moves."""
        return False

    @property
    def steps(self) -> int:
        """How many steps an element of the result takes."""
        return 1

    def constant_names(self) -> tuple[str, ...]:
        """Return the constants it refers to."""
        return tuple(getattr(self, name) for name in _constant_fields(type(self)))  # type: ignore[arg-type]

    def renamed(self, mapping: Mapping[str, str]) -> Op:
        """Return the same operation with tensors renamed."""
        return replace(
            self,
            inputs=tuple(mapping.get(i, i) for i in self.inputs),
            output=mapping.get(self.output, self.output),
        )


class Outside(Op):
    """The user of a program as one more reader of each output; no program holds it."""


@cache
def _constant_fields(kind: type[Op]) -> tuple[str, ...]:
    """Return the fields of an operation that name constants; asked for each of thousands."""
    return tuple(f.name for f in fields(kind) if f.type in ("ConstRef", ConstRef))
