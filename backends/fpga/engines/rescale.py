"""Elementwise engines: requantizer, PReLU, clamp, adder, multiplier, lookup, function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import (
    Add,
    Clamp,
    Interpolate,
    Lookup,
    Multiply,
    Op,
    PRelu,
    Requantize,
)

from ..widths import magnitude
from .elementwise import ElementwiseEngine, clamped, rounded
from .engine import Arrays, Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Clamped(ElementwiseEngine):
    """An engine that ends with a clamp: two comparisons."""

    op: Clamp | PRelu | Requantize

    def numbers(self) -> Mapping[str, int]:
        return {"lo": self.op.lo, "hi": self.op.hi}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaled(Clamped):
    """An engine that multiplies, adds a bias and clamps, in four register stages."""

    op: PRelu | Requantize

    @property
    def latency(self) -> int:
        return 4

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        return {"multiplier": self.values(self.op.multiplier), "bias": self.values(self.op.bias)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantizer(Scaled):
    """Multiplies, adds the bias, shifts with rounding, and clamps."""

    kind: ClassVar[str] = "requantize"

    op: Requantize

    def bound(self) -> int:
        reach = magnitude(self.inputs[0])
        rows = (self.rows()[name].tolist() for name in ("multiplier", "bias", "half"))
        return max(int(abs(m) * reach + abs(b) + h + 1) for m, b, h in zip(*rows, strict=True))

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        shift = self.values(self.op.shift)
        return {**super().rows(), "shift": shift, "half": np.left_shift(1, shift) >> 1}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from ..lanes import Variable

        exact = Variable(dtype, lanes, element * row("multiplier") + row("bias"))
        return clamped(rounded(exact.value, row("half"), row("shift"), dtype, lanes), number)


@dataclass(frozen=True, kw_only=True, eq=False)
class PReluUnit(Scaled):
    """Multiplies negative values, shifts with rounding, adds the bias, and clamps."""

    kind: ClassVar[str] = "prelu"

    op: PRelu

    def bound(self) -> int:
        slope, bias = (
            int(np.abs(v).max(initial=0))
            for v in (self.values(self.op.multiplier), self.values(self.op.bias))
        )
        return magnitude(self.inputs[0]) * max(slope, 1) + bias + (1 << self.op.shift)

    def numbers(self) -> Mapping[str, int]:
        shift = self.op.shift
        return {**super().numbers(), "shift": shift, "half": (1 << shift) >> 1}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from tvm import tirx

        from ..lanes import Variable, wide

        x, zero = Variable(dtype, lanes, element), wide(0, dtype, lanes)
        below = Variable(dtype, lanes, tirx.min(x.value, zero) * row("multiplier"))
        bent = rounded(below.value, number("half"), number("shift"), dtype, lanes)
        return clamped(tirx.Select(x.value >= zero, x.value, bent) + row("bias"), number)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClampUnit(Clamped):
    """Clamps within the cycle: no register stage."""

    kind: ClassVar[str] = "clamp"

    op: Clamp

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        return clamped(element, number)


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamAdder(ElementwiseEngine):
    """Adds two streams token by token within the cycle: no register stage."""

    kind: ClassVar[str] = "add"

    op: Add

    def bound(self) -> int:
        return sum(magnitude(kind) for kind in self.inputs)

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        return element[0] + element[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamMultiplier(ElementwiseEngine):
    """Multiplies two streams token by token; a smaller one was repeated before (``Repeater``)."""

    kind: ClassVar[str] = "multiply"

    op: Multiply

    @property
    def latency(self) -> int:
        """One register stage: the product."""
        return 1

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    def bound(self) -> int:
        a, b = map(magnitude, self.inputs)
        return a * b

    def prepare(self) -> Run:
        compute = super().prepare()

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            whole, factor = inputs
            if factor.shape != whole.shape:
                factor = np.array(np.broadcast_to(factor, whole.shape), order="C")
            compute([whole, factor], y, counts)

        return run

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        return element[0] * element[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Interpolator(ElementwiseEngine):
    """Finds a piece of a function by shifting, reads its line from a memory and follows it."""

    kind: ClassVar[str] = "interpolate"

    op: Interpolate

    @property
    def latency(self) -> int:
        """Register stages: the memory's, product, sum with rounding."""
        return 3

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    def prepare(self) -> Run:
        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            exact = self.op.execute([inputs[0].astype(np.int64)], self.constants)
            lo, hi = self.output.limits
            counts[1] += int(((exact < lo) | (exact > hi)).sum())
            if self.output.bits < 64:  # the register keeps its own bits
                exact = ((exact - lo) & ((1 << self.output.bits) - 1)) + lo
            y[...] = exact.reshape(y.shape)

        return run


@dataclass(frozen=True, kw_only=True, eq=False)
class LookupUnit(ElementwiseEngine):
    """Reads output levels from a memory, addressed by the code."""

    kind: ClassVar[str] = "lookup"

    op: Lookup

    @property
    def latency(self) -> int:
        """One register stage: the memory's read register."""
        return 1

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        table = self.values(self.op.table)[:, None]
        return {"table": np.broadcast_to(table, (len(table), self.output.shape[2]))}

    def numbers(self) -> Mapping[str, int]:
        return {"entries": len(self.values(self.op.table))}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        from tvm import tirx

        from ..lanes import Variable, serial, wide

        code = Variable(dtype, lanes, element)
        level = Variable(dtype, lanes, 0)
        with serial(0, number("entries", "int32", 1)) as k:
            hit = code.value == wide(k, dtype, lanes)
            level.set(tirx.Select(hit, row("table", k), level.value))
        return level.value


UNITS: dict[type[Op], type[ElementwiseEngine]] = {
    Add: StreamAdder,
    Clamp: ClampUnit,
    Interpolate: Interpolator,
    Lookup: LookupUnit,
    Multiply: StreamMultiplier,
    PRelu: PReluUnit,
    Requantize: Requantizer,
}
"""The engine of each operation that turns one element into one; thresholds have their own file."""
