"""A builder of TIR kernels on vectors of integers: registers, wrapping, blocks with a tail.

For TVM, overflow of 32- and 64-bit arithmetic is undefined (LLVM's ``nsw``), so a kernel computes
in a type that provably holds every intermediate (see ``widths.register_dtype``) and wraps by masks.
Shapes are run-time arguments: one compiled kernel serves every layer of the same data types.

Importing this module imports TVM.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as builder

Expr = Any
Buffer = Any

ITEM_BYTES = {"int8": 1, "uint8": 1, "int32": 4, "int64": 8}
LANES = {"int16": 32, "int32": 16, "int64": 8, "int128": 1}
"""Lanes of a vector: 512 bits, which LLVM splits where the processor's vectors are shorter."""

serial, If, Else, Then, While = (
    builder.serial,
    builder.If,
    builder.Else,
    builder.Then,
    builder.While,
)


class KernelBuilder:
    """A TIR function under construction: a context manager in which statements are recorded.

    Attributes:
        function: the finished function, once the context is left.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.function: Any = None
        self._frames = ExitStack()

    def __enter__(self) -> KernelBuilder:
        self._builder = self._frames.enter_context(IRBuilder())
        self._frames.enter_context(builder.prim_func())
        builder.func_name(self.name)
        builder.func_attr({"tirx.noalias": True})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._frames.__exit__(kind, error, trace)
        if kind is None:
            self.function = self._builder.get()

    def scalars(self, *names: str, dtype: str = "int32") -> list[Expr]:
        """Add integer parameters."""
        return [builder.arg(name, tirx.Var(name, dtype)) for name in names]

    def array(self, name: str, dtype: str) -> Buffer:
        """Add a parameter that is a flat array of any length, aligned to its elements."""
        size = tirx.Var(f"{name}_size", "int64")
        shape = builder.buffer((size,), dtype, align=ITEM_BYTES[dtype])
        return builder.arg(name, shape)


class Variable:
    """A local variable that is a vector."""

    def __init__(self, dtype: str, lanes: int, value: int | Expr | None = None) -> None:
        self.dtype, self.lanes = dtype, lanes
        self._cells = builder.alloc_buffer((lanes,), dtype, scope="local")
        if value is not None:
            self.set(value)

    @property
    def value(self) -> Expr:
        return load(self._cells, 0, self.dtype, self.lanes)

    def set(self, value: int | Expr) -> None:
        store(self._cells, 0, wide(value, self.dtype, self.lanes))

    def lane(self, index: Expr) -> Expr:
        return self._cells[index]


def const(value: int, dtype: str) -> Expr:
    """Return a constant of any integer type, also of 128 bits."""
    if dtype == "int128":
        return tirx.const(value, "int64").astype(dtype)
    return tirx.const(value, dtype)


def wide(value: int | Expr, dtype: str, lanes: int) -> Expr:
    """Cast a value to a type; repeat it over the lanes if it is a scalar."""
    expr: Expr = const(int(value), dtype) if isinstance(value, int | np.integer) else value
    have = expr.ty.dtype.lanes
    scalar_type = dtype if have == 1 else f"{dtype}x{have}"
    expr = expr.astype(scalar_type)
    return expr if have == lanes else tirx.Broadcast(expr, lanes)


def load(buffer: Buffer, index: Expr, dtype: str, lanes: int) -> Expr:
    """Read ``lanes`` adjacent elements as ``dtype``."""
    if lanes == 1:
        return buffer[index].astype(dtype)
    return buffer[tirx.Ramp(index, 1, lanes)].astype(f"{dtype}x{lanes}")


def store(buffer: Buffer, index: Expr, value: int | Expr) -> None:
    """Write the lanes of a value to adjacent elements, cast to the buffer's type."""
    dtype = str(buffer.ty.dtype)
    lanes = 1 if isinstance(value, int) else value.ty.dtype.lanes
    where = index if lanes == 1 else tirx.Ramp(index, 1, lanes)
    builder.buffer_store(buffer, wide(value, dtype, lanes), [where])


def blocks(count: Expr, lanes: int, body: Callable[[Expr, int], None]) -> None:
    """Record ``body(start, lanes)`` over ``count`` elements: whole blocks, then single elements."""
    if lanes > 1:
        full = tirx.floordiv(count, lanes)
        with serial(0, full) as block:
            body(block * lanes, lanes)
        with serial(full * lanes, count) as index:
            body(index, 1)
    else:
        with serial(0, count) as index:
            body(index, 1)


class Wrap:
    """Reduction of values to a register of a width known at run time, two's complement or unsigned.

    ``((v + h) mod 2**bits) - h`` with ``h = 2**(bits - 1)`` if signed, else 0.
    """

    def __init__(self, dtype: str, bits: Expr, signed: Expr) -> None:
        one, width = const(1, dtype), bits.astype(dtype)
        self.dtype = dtype
        self.mask = (one << width) - one
        self.half = signed.astype(dtype) << (width - one)

    def __call__(self, value: Expr, lanes: int) -> Expr:
        half, mask = wide(self.half, self.dtype, lanes), wide(self.mask, self.dtype, lanes)
        return tirx.bitwise_and(value + half, mask) - half


class EventCounter:
    """Event counters by lane, added to a 64-bit total from time to time."""

    def __init__(self, *lanes: int) -> None:
        self._parts = {n: Variable("int32", n, 0) for n in set(lanes)}

    def add(self, events: Expr, lanes: int) -> None:
        part = self._parts[lanes]
        part.set(part.value + events.astype("int32" if lanes == 1 else f"int32x{lanes}"))

    def flush(self, totals: Buffer, index: int) -> None:
        """Record ``totals[index] += count`` and set the counters to 0."""
        for lanes, part in self._parts.items():
            with serial(0, lanes) as lane:
                store(totals, index, totals[index] + part.lane(lane).astype("int64"))
            part.set(0)
