"""What an engine is: one description for arithmetic, timing and size."""

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
"""Computes a batch: inputs, output (filled in), counters [wraps, overflows] (added to)."""


def divisors(n: int) -> tuple[int, ...]:
    """All divisors in ascending order."""
    return tuple(d for d in range(1, n + 1) if n % d == 0)


@dataclass(frozen=True)
class Fold:
    """How much of an engine works in parallel.

    Attributes:
        pe: processing elements: results computed side by side.
        simd: operands that each of them takes in a cycle.
    """

    pe: int = 1
    simd: int = 1


SMALLEST = Fold()
"""One of everything."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """One operation of a program as hardware, or one piece of plumbing between such.

    A subclass is the single place that says what the engine computes (``prepare``), when it takes
    and gives tokens (``timing``) and how it may be folded (``pe_options``, ``simd_options``).

    Attributes:
        op: the operation; None for plumbing.
        inputs: types of what it reads.
        output: type of what it gives; its width is that of the engine's registers.
        constants: of the program.
        fold: its parallelism.
        facts: what was worked out of the constants, shared by all foldings.
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
        """The tensor it defines."""
        return self.op.output if self.op is not None else ""

    def folded(self, fold: Fold) -> Engine:
        """The same engine at another parallelism."""
        return replace(self, fold=fold)

    def values(self, constant: str) -> NDArray[np.int64]:
        """A constant as int64."""
        return np.asarray(self.constants[constant].values, dtype=np.int64)

    def fact(self, name: str, work_out: Callable[[], Fact]) -> Fact:
        """What ``work_out`` gives, worked out once for all foldings."""
        if name not in self.facts:
            self.facts[name] = work_out()
        found: Fact = self.facts[name]
        return found

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
        """Ways to build it that differ in area only: the same bits in the same cycles."""
        return ("",)

    @property
    def tap_lanes(self) -> int:
        """SIMD lanes beyond which several places of the line buffer are read at once."""
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
        """When it takes and gives tokens.  Here: one of each every cycle."""
        return Beat(self.output.size // self.fold.pe, latency=self.latency)

    @property
    def latency(self) -> int:
        """Register stages from the last operand to the FIFO behind."""
        return 0

    @property
    def cycles(self) -> int:
        """Busy cycles an image: the closed formula behind ``timing``."""
        return self.timing.cycles

    def prepare(self) -> Run:
        """Compile the arithmetic and lay out the constants."""
        raise NotImplementedError
