"""When an engine takes and gives tokens."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, prod

Pair = tuple[int, int]


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
class WindowTiming:
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


Timing = Beat | WindowTiming
