"""The Program: a list of operations over typed tensors, in static single assignment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NewType

from .types import Constant, IntType, TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .types import IntArray

ConstRef = NewType("ConstRef", str)
"""The name of a constant of the program, as a field of an operation."""

OPS: dict[str, type[Op]] = {}
"""Every operation by its mnemonic; a subclass of Op enters itself."""


class IllegalOp(ValueError):
    """An operation breaks its rule; the message says which and where."""


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation.  A subclass is the single place that says all about it.

    Its dataclass fields are its attributes (numbers, tuples, ConstRef) and are printed, parsed and
    stored from their annotations.

    Attributes:
        output: name of the tensor it defines.
        inputs: names of the tensors it reads.
        origin: names of the ONNX nodes it stands for.
    """

    mnemonic: ClassVar[str] = ""
    real: ClassVar[bool] = False  # true: belongs to the real dialect, gone after lowering

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
        """The types of its inputs, all of which must be integer tensors."""
        kinds = tuple(k for i in self.inputs if isinstance(k := types[i], IntType))
        self.require(len(kinds) == len(self.inputs), "input is not an integer tensor")
        return kinds

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> TensorType:
        """The narrowest type its result can have; checks its own legality.

        Raises:
            IllegalOp: shapes, ranges or intermediates break the operation's rule.
        """
        raise NotImplementedError

    def execute(
        self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]
    ) -> IntArray | NDArray[np.float64]:
        """Its meaning: batches (N, H, W, C) in, batch out, int64 (float64 in the real dialect)."""
        raise NotImplementedError

    def constant_names(self) -> tuple[str, ...]:
        """The constants it refers to."""
        from dataclasses import fields

        return tuple(
            getattr(self, f.name) for f in fields(self) if f.type in ("ConstRef", ConstRef)
        )

    def renamed(self, mapping: Mapping[str, str]) -> Op:
        """The same operation with tensors renamed."""
        return replace(
            self,
            inputs=tuple(mapping.get(i, i) for i in self.inputs),
            output=mapping.get(self.output, self.output),
        )


@dataclass(frozen=True)
class Interface:
    """How a program meets its user.

    Attributes:
        input, output: names in the ONNX model (for messages).
        input_shape, output_shape: ONNX shapes of one sample, batch excluded: (C, H, W), (C, L),
            (F,), or any other of as many elements, in the program's order once it is reshaped.
        pixels: the input takes raw uint8 images instead of real ones.
        input_channels_last, output_channels_last: (H, W, C) there, as in the program.
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    pixels: bool = False
    input_channels_last: bool = False
    output_channels_last: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of its true options, as program text has them."""
        names = ("pixels", "input_channels_last", "output_channels_last")
        return tuple(name for name in names if getattr(self, name))


@dataclass(frozen=True)
class MemoryPlan:
    """Byte offsets of the intermediate tensors in one static arena (input and output excluded)."""

    offsets: Mapping[str, int]
    size: int


@dataclass(frozen=True)
class Program:
    """A network as integer operations; immutable, every pass returns a new one.

    Attributes:
        name: identifier, used in generated symbols.
        interface: outer names and shapes.
        input, output: tensor names inside the program (one each).
        types: type of every tensor, the input's included.
        ops: operations in executable order.
        constants: arrays by name.
        plan: memory plan, once made.
        metadata: facts about the making (model hash, precision options), text to text.
        notes: what a pass wants the user to know (refusals included).
    """

    name: str
    interface: Interface
    input: str
    output: str
    types: Mapping[str, TensorType]
    ops: tuple[Op, ...]
    constants: Mapping[str, Constant]
    plan: MemoryPlan | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        types = {
            n: replace(t, rows=None) if isinstance(t, IntType) and t.rows is not None else t
            for n, t in self.types.items()
        }
        object.__setattr__(self, "types", types)

    def producer(self, tensor: str) -> Op | None:
        """The operation that defines a tensor; None for the input."""
        return next((op for op in self.ops if op.output == tensor), None)

    def consumers(self) -> dict[str, list[Op]]:
        """For every tensor, the operations that read it."""
        readers: dict[str, list[Op]] = {name: [] for name in self.types}
        for op in self.ops:
            for name in op.inputs:
                readers[name].append(op)
        return readers

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Run the integer interpreter on real images; see ``interpreter.run_real``."""
        from .interpreter import run_real

        return run_real(self, x)
