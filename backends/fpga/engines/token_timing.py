"""Timing of engines: in which of its firings an engine takes and gives tokens."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, prod

Pair = tuple[int, int]


@dataclass(frozen=True)
class Beat:
    """Timing of an engine that is one state machine, which fires at most once per cycle.

    Firing ``f`` of an image takes one token of every input if ``f mod take[0] < take[1]`` and
    gives one to every output if ``f mod give[0] >= give[0] - give[1]``.

    Attributes:
        firings: firings per image.
        take, give: (period, length), see above.
        latency: register stages between a firing and the output FIFO.
        turns: two inputs take turns: ``take`` selects the firings that read the first; all others
            read the second.
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
    """Timing of an engine with a line buffer: a writer and a reader (see DATAPATH.md).

    Attributes:
        arriving: (height, width) of the input map; dropped pixels are taken but not written.
        drop: (m, n): only every m-th row and n-th column is written.
        kept: (height, width) of the map that is written to the buffer.
        words: tokens per pixel.
        out: (height, width) of the output map.
        reach: (height, width) of a window, dilation included.
        stride: (rows, columns) between windows.
        top, left: padding.
        results: output tokens per window.
        result_cycles: cycles of work per output token.
        latency: register stages between the last of these cycles and the output FIFO.
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
        """Rows of the line buffer: the fewest with which neither writer nor reader has to wait.

        Let writer and reader both spread an image evenly over the interval ``T``, with the reader
        ``d * T`` later. Window (y, x) begins at ``(d + (y + x / OW) / OH) * T`` and its last pixel
        (r, c) is written by ``(r + (c + 1) / W) / H * T``; this gives ``d``. Row ``k`` is released
        at the time ``(d + (y + 1) / OH) * T``, where ``y`` is the last output row that reads it. By
        then the writer has begun ``H / T`` times as many rows, of which ``k`` precede row ``k``.
        All constraints have whole offsets, so they still hold when times are rounded up. The number
        of rows does not depend on ``T``, so it is right for every folding and pipeline.
        """
        return _buffer_rows(self.kept, self.out, self.reach, self.stride, self.top, self.left)

    @property
    def buffer_words(self) -> int:
        """Words of the line buffer."""
        return self.rows * self.kept[1] * self.words

    @property
    def fill_cycles(self) -> int:
        """Busy cycles of the writer per image."""
        return prod(self.arriving) * self.words

    @property
    def work_cycles(self) -> int:
        """Busy cycles of the reader per image."""
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
