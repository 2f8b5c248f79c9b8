"""What an engine is: one description for arithmetic, timing and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Constant, IntType, Op

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


@dataclass(frozen=True)
class Beat:
    """Timing of an engine that is one state machine: each cycle it may fire once.

    Firing ``f`` of an image takes one token of every input if ``f mod take[0] < take[1]`` and
    gives one to every output if ``f mod give[0] >= give[0] - give[1]``.

    Attributes:
        firings: of an image.
        take, give: (period, length).
        latency: register stages between firing and the FIFO behind.
    """

    firings: int
    take: tuple[int, int] = (1, 1)
    give: tuple[int, int] = (1, 1)
    latency: int = 0

    @property
    def cycles(self) -> int:
        return self.firings


@dataclass(frozen=True)
class Window:
    """Timing of an engine behind a line buffer: a writer and a reader (see DATAPATH.md).

    Attributes:
        arriving: (height, width) of the stream; words of dropped pixels are taken, not kept.
        drop: (rows, columns): only every so-manieth is kept.
        kept: (height, width) of what is written to the buffer.
        words: tokens a pixel.
        rows: capacity of the buffer in rows.
        out: (height, width) of the results.
        reach, stride: (height, width) of a window, dilation included, and its step.
        top, left: padding.
        results: tokens given per window.
        result_cycles: cycles of work for each of them.
        latency: register stages between the last of these and the FIFO behind.
    """

    arriving: tuple[int, int]
    drop: tuple[int, int]
    kept: tuple[int, int]
    words: int
    rows: int
    out: tuple[int, int]
    reach: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    results: int
    result_cycles: int
    latency: int

    @property
    def buffer_words(self) -> int:
        """Words of the line buffer."""
        return self.rows * self.kept[1] * self.words

    @property
    def fill_cycles(self) -> int:
        """Cycles an image of the writer."""
        return prod(self.arriving) * self.words

    @property
    def work_cycles(self) -> int:
        """Cycles an image of the reader."""
        return prod(self.out) * self.results * self.result_cycles

    @property
    def cycles(self) -> int:
        return max(self.fill_cycles, self.work_cycles)


Timing = Beat | Window


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
    """

    kind: ClassVar[str] = ""

    op: Op | None = None
    inputs: tuple[IntType, ...] = ()
    output: IntType
    constants: Mapping[str, Constant] = None  # type: ignore[assignment]
    fold: Fold = SMALLEST

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

    @property
    def pe_options(self) -> tuple[int, ...]:
        """Legal numbers of processing elements, ascending."""
        return divisors(self.output.shape[2])

    @property
    def simd_options(self) -> tuple[int, ...]:
        """Legal numbers of SIMD lanes, ascending."""
        return (1,)

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
