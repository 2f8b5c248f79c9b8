"""What a kernel is written with: operands, per-channel rows, values with proven ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import te, tirx

from n2uqc.passes.program import Constant, IntType, Program

from ...processor import Vectors as Vectors
from ..grouping import Group

Expr = Any
Row = Callable[[Expr], Expr]
"""A per-channel number as a function of the channel slot."""
Reader = Callable[..., Expr]
"""A tensor's element as a function of its indices."""
Where = Callable[..., tuple[Expr, Expr, Expr]]
"""Row, column and channel as a function of indices."""


def computing_dtype(*ends: int) -> str:
    """Return the narrowest signed type in which kernels compute numbers between these.

    Its most negative number must not occur, so that every number can be negated.
    """
    most = max(map(abs, ends))
    return next(f"int{bits}" for bits in (16, 32, 64) if most < 1 << (bits - 1))


def pixelwise(width: int) -> Where:
    """Return where a pixel, counted row by row, and a channel are in a map of some width."""
    return lambda p, c: (p // width, p % width, c)


@dataclass(frozen=True)
class Value:
    """An integer with its proven range.

    Attributes:
        expr: of any integer type that holds the range, less the offset.
        lo, hi: the least and greatest value of each channel, int64 (C,).
        offset: number that is still to be added to the expression in each channel, int64 (C,);
            the next table or bias adds it for free.  None is nothing.
    """

    expr: Expr
    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    offset: NDArray[np.int64] | None = None

    @property
    def range(self) -> tuple[int, int]:
        return int(self.lo.min()), int(self.hi.max())

    def cast(self, dtype: str) -> Expr:
        return self.expr.astype(dtype)


@dataclass
class Body:
    """A kernel while its stages are written: what they share.

    Attributes:
        program, group: what is computed.
        storage: for every tensor the one whose memory it shares.
        ranges: of all tensors' channels, from ``channel_ranges``.
        vectors: of the processor.
        operands: placeholders in the order of the function's parameters, with the tensor's name
            or the array they stand for.
        slots: the channel of each slot of a per-channel row.  Kernels that round channels up
            repeat one in the surplus slots.
        imported: functions that the kernel calls, as textual IR.
    """

    program: Program
    group: Group
    storage: Mapping[str, str]
    ranges: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    vectors: Vectors
    operands: list[tuple[te.Tensor, str | NDArray[np.integer]]] = field(default_factory=list)
    slots: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    imported: set[str] = field(default_factory=set)
    _bound: list[tuple[tirx.Var, Expr]] = field(default_factory=list)

    def tensor_type(self, name: str) -> IntType:
        """Return the type of a tensor."""
        return self.program.int_type(name)

    @property
    def output(self) -> IntType:
        """The type of the group's result."""
        return self.tensor_type(self.group.output)

    def constant(self, name: str) -> Constant:
        return self.program.constants[name]

    def tensor(self, name: str, shape: tuple[int, ...]) -> te.Tensor:
        """Declare a tensor of the program as it lies in memory, seen in any shape of its size."""
        assert prod(shape) == self.tensor_type(name).size, (name, shape)  # else it is read beyond
        dtype = self.stored(name)
        placeholder = te.placeholder(shape, dtype, f"x{len(self.operands)}")
        self.operands.append((placeholder, name))
        return placeholder

    def stored(self, name: str) -> str:
        """Return the dtype of a tensor of the program in memory."""
        return self.tensor_type(self.storage[name]).container.name

    def beside(self, name: str, extents: tuple[int, ...], where: Where) -> Reader:
        """Declare an operand of an elementwise step, read at indices within some extents.

        One that is smaller than they are has size 1 along an axis of the map, and the one value
        there is that of all places.

        Args:
            name: of the tensor.
            extents: in which it is read.
            where: row, column and channel of such indices.
        """
        shape = self.tensor_type(name).shape
        if self.tensor_type(name).size == prod(extents):
            whole: Reader = self.tensor(name, extents)
            return whole
        tensor = self.tensor(name, shape)
        return lambda *at: tensor(
            *(0 if n == 1 else i for n, i in zip(shape, where(*at), strict=True))
        )

    def table(self, hint: str, values: NDArray[np.integer]) -> te.Tensor:
        """Declare a constant array, in memory as given."""
        placeholder = te.placeholder(values.shape, values.dtype.name, hint)
        self.operands.append((placeholder, values))
        return placeholder

    def row(self, hint: str, values: NDArray[np.int64], dtype: str) -> Row:
        """Declare a number for each channel; one that all channels share costs no memory."""
        if (values == values[0]).all():
            return lambda slot: tirx.const(int(values[0]), dtype)
        table = self.table(hint, values[self.slots].astype(dtype))
        return lambda slot: table(slot)

    def value(self, name: str, expr: Expr) -> Value:
        """Return an expression for elements of a tensor with that tensor's proven range."""
        return Value(expr, *self.ranges[name])

    def bind(self, expr: Expr) -> Expr:
        """Give a name to a number that is used several times, so that it is computed once."""
        variable = tirx.Var(f"v{len(self._bound)}", expr.ty)
        self._bound.append((variable, expr))
        return variable

    def bound(self, value: Value) -> Value:
        return replace(value, expr=self.bind(value.expr))

    def without_offset(self, value: Value) -> tuple[Value, NDArray[np.int64] | None]:
        """Return the expression alone as a value, and the offset that must be added to it."""
        if value.offset is None:
            return value, None
        return Value(value.expr, value.lo - value.offset, value.hi - value.offset), value.offset

    def settled(self, value: Value, slot: Expr) -> Value:
        """Return the same number with its offset added."""
        rest, offset = self.without_offset(value)
        if offset is None:
            return value
        dtype = computing_dtype(*rest.range, *value.range, int(offset.min()), int(offset.max()))
        total = rest.cast(dtype) + self.row("offset", offset, dtype)(slot)
        return Value(total, value.lo, value.hi)

    def result(self, value: Value) -> Expr:
        """Return the group's result as it is stored.

        It starts with the named numbers that it needs.
        """
        expr = value.cast(self.output.container.name)
        for variable, bound in reversed(self._bound):
            if any(v.same_as(variable) for v in tirx.analysis.undefined_vars(expr)):
                expr = tirx.Let(variable, bound, expr)
        self._bound.clear()
        return expr

    def function(self, y: te.Tensor) -> tirx.PrimFunc:
        """Return the unscheduled function of the operands and the group's result."""
        return te.create_prim_func([operand for operand, _ in self.operands] + [y])


@dataclass(frozen=True)
class Place:
    """Position in the map that an elementwise step computes.

    Attributes:
        slot: index into per-channel rows.
        read: the element of another tensor at this place, in its container's type.
    """

    slot: Expr
    read: Callable[[str], Expr]


Step = Callable[[Any, Body, Value, Place], Value]
"""An elementwise operation: (operation, body, its first input, place) -> its result."""


def reads(y: te.Tensor, stage: te.Tensor) -> bool:
    """Tell whether a group's result depends on its first operation.

    It need not: the range may decide every comparison of a table.  Then there is nothing to
    schedule.
    """
    return any(tensor.op.same_as(stage.op) for tensor in y.op.input_tensors)
