"""What an engine is: one description for arithmetic, timing and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from math import ceil, prod
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Constant, IntType, Op

Pair = tuple[int, int]
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


@dataclass(frozen=True)
class Beat:
    """Timing of an engine that is one state machine: each cycle it may fire once.

    Firing ``f`` of an image takes one token of every input if ``f mod take[0] < take[1]`` and
    gives one to every output if ``f mod give[0] >= give[0] - give[1]``.

    Attributes:
        firings: of an image.
        take, give: (period, length).
        latency: register stages between firing and the FIFO behind.
        turns: the first input is taken from in those firings, the second in all others.
    """

    firings: int
    take: tuple[int, int] = (1, 1)
    give: tuple[int, int] = (1, 1)
    latency: int = 0
    turns: bool = False

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
    out: tuple[int, int]
    reach: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    results: int
    result_cycles: int
    latency: int

    @property
    def rows(self) -> int:
        """Rows that the line buffer holds: the fewest with which no side has to wait.

        Let writer and reader both spread an image evenly over the interval ``T``, the reader
        ``d * T`` later. Window (y, x) begins at ``(d + (y + x / OW) / OH) * T``, its last pixel
        (r, c) is written by ``(r + (c + 1) / W) / H * T``: that gives ``d``. Row ``k`` is released
        by ``(d + (y + 1) / OH) * T`` with the last output row ``y`` that reads it, and by then
        ``H / T`` times that many rows have been begun: ``k`` of them do not count. Constraints
        have whole offsets, so rounding all times up keeps them; and the number does not depend on
        ``T``, so it suits every folding and every pipeline.
        """
        return _buffer_rows(self.kept, self.out, self.reach, self.stride, self.top, self.left)

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


@cache
def _buffer_rows(kept: Pair, out: Pair, reach: Pair, stride: Pair, top: int, left: int) -> int:
    (height, width), (out_height, out_width) = kept, out

    def last(at: int, axis: int, pad: int) -> int:
        return min(max(at * stride[axis] - pad + reach[axis] - 1, 0), kept[axis] - 1)

    # in rows: d * H
    delay = max(
        last(y, 0, top) - Fraction(y * height, out_height) for y in range(out_height)
    ) + max(
        Fraction(last(x, 1, left) + 1, width) - Fraction(x * height, out_width * out_height)
        for x in range(out_width)
    )
    readers = (min((k + top) // stride[0], out_height - 1) for k in range(height))
    return max(
        ceil(delay + Fraction((y + 1) * height, out_height)) - k for k, y in enumerate(readers)
    )


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
        facts: what was worked out of the constants, shared by all foldings.
    """

    kind: ClassVar[str] = ""

    op: Op | None = None
    inputs: tuple[IntType, ...] = ()
    output: IntType
    constants: Mapping[str, Constant] = None  # type: ignore[assignment]
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
