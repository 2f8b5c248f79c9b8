"""The base class of engines: arithmetic, timing and parallelism of one hardware unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Constant, IntType, Op

from .token_timing import Beat, Timing

Fact = TypeVar("Fact")
Arrays = list[NDArray[Any]]
Run = Callable[[Arrays, NDArray[Any], NDArray[np.int64]], None]
"""Computes a batch: reads the inputs, writes the output,
adds to the counters [wraps, overflows].
"""


def divisors(n: int) -> tuple[int, ...]:
    """Return all divisors in ascending order."""
    return tuple(d for d in range(1, n + 1) if n % d == 0)


@dataclass(frozen=True)
class Fold:
    """The parallelism of an engine.

    Attributes:
        pe: processing elements: results computed in parallel.
        simd: operands that each processing element takes per cycle.
    """

    pe: int = 1
    simd: int = 1


SMALLEST = Fold()
"""The smallest folding: one processing element with one operand per cycle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """One operation of a program as hardware, or a stream unit such as a fork or width converter.

    A subclass defines what the engine computes (``prepare``), when it takes and gives tokens
    (``timing``) and how it may be folded (``pe_options``, ``simd_options``).

    Attributes:
        op: the operation; None for a stream unit.
        inputs: types of the input tensors.
        output: type of the output tensor; its width is that of the engine's registers.
        constants: the constants of the program.
        fold: the parallelism.
        facts: results computed from the constants, shared by all foldings.
    """

    kind: ClassVar[str] = ""

    op: Op | None
    inputs: tuple[IntType, ...] = ()
    output: IntType
    constants: Mapping[str, Constant] = field(default_factory=dict)
    fold: Fold = SMALLEST
    facts: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name of the tensor that the engine computes."""
        return self.op.output if self.op is not None else ""

    def folded(self, fold: Fold) -> Engine:
        """Return the same engine with another parallelism."""
        return replace(self, fold=fold)

    def values(self, constant: str) -> NDArray[np.int64]:
        """Return a constant as int64."""
        return np.asarray(self.constants[constant].values, dtype=np.int64)

    def fact(self, name: str, work_out: Callable[[], Fact]) -> Fact:
        """Return the result of ``work_out``, computed once for all foldings."""
        if name not in self.facts:
            self.facts[name] = work_out()
        value: Fact = self.facts[name]
        return value

    @property
    def pe_options(self) -> tuple[int, ...]:
        """Legal numbers of processing elements, ascending."""
        return divisors(self.output.shape[2])

    @property
    def simd_options(self) -> tuple[int, ...]:
        """Legal numbers of SIMD lanes, ascending."""
        return (1,)

    @property
    def forms(self) -> tuple[str, ...]:
        """Implementations that differ in area only: the same bits in the same cycles."""
        return ("",)

    @property
    def tap_lanes(self) -> int:
        """SIMD lanes per tap; with more lanes several positions
        of the line buffer are read at once.
        """
        return 1

    @property
    def multipliers(self) -> int:
        """Multiply-accumulate lanes."""
        return 0

    @property
    def in_lanes(self) -> int:
        """Elements of an input token."""
        return self.fold.pe

    @property
    def out_lanes(self) -> int:
        """Elements of an output token."""
        return self.fold.pe

    @property
    def timing(self) -> Timing:
        """Timing of its tokens: by default it takes and gives one of each per cycle."""
        return Beat(self.output.size // self.fold.pe, latency=self.latency)

    @property
    def latency(self) -> int:
        """Register stages from the last operand to the output FIFO."""
        return 0

    @property
    def cycles(self) -> int:
        """Busy cycles per image, in closed form."""
        return self.timing.cycles

    def prepare(self) -> Run:
        """Compile the arithmetic and pack the constants."""
        raise NotImplementedError
