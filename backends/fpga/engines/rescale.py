"""Engines that map values to values: requantizer, PReLU, clamp, adder, lookup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Add, Clamp, Lookup, PRelu, Requantize

from ..widths import magnitude
from .elementwise import Elementwise, clamped, rounded


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantizer(Elementwise):
    """Multiplier, bias, rounding shift, clamp."""

    kind: ClassVar[str] = "requantize"

    op: Requantize

    @property
    def latency(self) -> int:
        """Product, bias and half, shift, clamp."""
        return 4

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    def bound(self) -> int:
        reach = magnitude(self.inputs[0])
        rows = (self.rows()[name].tolist() for name in ("multiplier", "bias", "half"))
        return max(int(abs(m) * reach + abs(b) + h + 1) for m, b, h in zip(*rows, strict=True))

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        shift = self.values(self.op.shift)
        return {
            "multiplier": self.values(self.op.multiplier), "bias": self.values(self.op.bias),
            "shift": shift, "half": np.left_shift(1, shift) >> 1,
        }

    def numbers(self) -> Mapping[str, int]:
        return {"lo": self.op.lo, "hi": self.op.hi}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from ..lanes import Register

        exact = Register(dtype, lanes, element * row("multiplier") + row("bias"))
        return clamped(rounded(exact.value, row("half"), row("shift"), dtype, lanes), number)


@dataclass(frozen=True, kw_only=True, eq=False)
class PReluUnit(Elementwise):
    """Slope below zero, bias, clamp."""

    kind: ClassVar[str] = "prelu"

    op: PRelu

    @property
    def latency(self) -> int:
        """Product, shift, bias, clamp."""
        return 4

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    def bound(self) -> int:
        slope, bias = (int(np.abs(v).max(initial=0)) for v in
                       (self.values(self.op.multiplier), self.values(self.op.bias)))
        return magnitude(self.inputs[0]) * max(slope, 1) + bias + (1 << self.op.shift)

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        return {
            "multiplier": self.values(self.op.multiplier), "bias": self.values(self.op.bias)
        }

    def numbers(self) -> Mapping[str, int]:
        return {"lo": self.op.lo, "hi": self.op.hi, "shift": self.op.shift,
                "half": (1 << self.op.shift) >> 1}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from tvm import tirx

        from ..lanes import Register, wide

        x, zero = Register(dtype, lanes, element), wide(0, dtype, lanes)
        below = Register(dtype, lanes, tirx.min(x.value, zero) * row("multiplier"))
        bent = rounded(below.value, number("half"), number("shift"), dtype, lanes)
        return clamped(tirx.Select(x.value >= zero, x.value, bent) + row("bias"), number)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClampUnit(Elementwise):
    """Two comparisons, within the cycle."""

    kind: ClassVar[str] = "clamp"

    op: Clamp

    def numbers(self) -> Mapping[str, int]:
        return {"lo": self.op.lo, "hi": self.op.hi}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        return clamped(element, number)


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamAdder(Elementwise):
    """Adds two streams token by token, within the cycle."""

    kind: ClassVar[str] = "add"

    op: Add

    def bound(self) -> int:
        return sum(magnitude(kind) for kind in self.inputs)

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        return element[0] + element[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class LookupUnit(Elementwise):
    """A memory of output levels, addressed by the code."""

    kind: ClassVar[str] = "lookup"

    op: Lookup

    @property
    def latency(self) -> int:
        """The memory's read register."""
        return 1

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        table = self.values(self.op.table)[:, None]
        return {"table": np.broadcast_to(table, (len(table), self.output.shape[2]))}

    def numbers(self) -> Mapping[str, int]:
        return {"entries": len(self.values(self.op.table))}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from tvm import tirx

        from ..lanes import Register, serial, wide

        code = Register(dtype, lanes, element)
        level = Register(dtype, lanes, 0)
        with serial(0, number("entries", "int32", 1)) as k:
            hit = code.value == wide(k, dtype, lanes)
            level.set(tirx.Select(hit, row("table", k), level.value))
        return level.value
