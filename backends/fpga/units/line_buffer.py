"""The line buffer: a writer, a reader and a memory of rows between them (DATAPATH.md)."""

from __future__ import annotations

from collections.abc import Sequence

from ..engines import WindowTiming
from ..engines.window import Geometry
from ..hdl.module import Counter, Module
from ..hdl.stores import Memory
from ..hdl.words import ZERO, Word, choose, clamped, lookup, times

_SMALL = 1300


def asked_for_luts(words: int, bits: int, readers: int) -> bool:
    """Tell whether a memory that is written is asked to be LUTs: a small one with several readers.

    Synthesis would make registers of it on some families, and a multiplexer of all of them for each
    reader.
    """
    return readers > 1 and words * bits <= _SMALL


class LineBuffer:
    """Shows its reader the words of one window after the other.

    Args:
        module: that it stands in.
        window: sizes and timing.
        geometry: of the same window; for the places of its taps.
        valid, data: the stream that is written.
        room: a place for a result is free after it.
        taps: places read at once.
        span: words of a tap that a result reads, one a cycle.
        shared: results one after the other that read the same words.
        luts: the device has memories in LUTs.

    Attributes:
        take: a token is written in this cycle.
        step: words are read in this cycle.
        first, last: they are a result's first, last.
        row, column: of that result.
        words, inside: what was read in the cycle before, and whether it lies inside the map.
    """

    def __init__(
        self,
        module: Module,
        window: WindowTiming,
        geometry: Geometry,
        *,
        valid: Word,
        data: Word,
        room: Word,
        taps: int,
        span: int,
        shared: int,
        luts: bool,
    ) -> None:
        self.module, self.window, self.geometry = module, window, geometry
        self.valid, self.data, self.room = valid, data, room
        self.taps, self.span, self.shared, self.luts = taps, span, shared, luts
        with module.scope("line_buffer"):
            self._build()

    def _build(self) -> None:
        m, w = self.module, self.window
        height, width = w.kept
        # The reader may be done with rows that are still to come, so both counts may be negative.
        held = m.state(-height, w.rows, name="held_rows")
        pixels = m.state(-height * width, (height + w.rows) * width, name="pixels")
        words = max(2, w.buffer_words)
        memory = m.memory("memory", words, self.data.width)
        memory.in_luts = self.luts and asked_for_luts(words, self.data.width, self.taps)
        begun, pixel_done = self._write(memory, held)
        released, image_done = self._read(memory, pixels)
        m.assign(held, (held + begun - released).within(held.lo, held.hi))
        gone = choose(image_done, height * width, 0)
        m.assign(pixels, (pixels + pixel_done - gone).within(pixels.lo, pixels.hi))

    def _write(self, memory: Memory, held: Word) -> tuple[Word, Word]:
        """Build the writer; return whether it begins a row in this cycle, and whether it ends a
        pixel.
        """
        w, m = self.window, self.module
        word = Counter(m, w.words, "in_word")
        drop_x, drop_y = Counter(m, w.drop[1], "drop_x"), Counter(m, w.drop[0], "drop_y")
        x, y = Counter(m, w.arriving[1], "in_x"), Counter(m, w.arriving[0], "in_y")
        column, place = Counter(m, w.kept[1], "column"), Counter(m, w.buffer_words, "place")
        kept = drop_x.value.equals(0) & drop_y.value.equals(0)
        begins = kept & word.value.equals(0) & column.value.equals(0)
        fires = self.valid & (~begins | (held < w.rows))
        pixel = fires & word.last
        row = pixel & x.last
        word.count(fires)
        x.count(pixel)
        drop_x.count_from(pixel, x.last)
        drop_y.count_from(row, y.last)
        y.count(row)
        column.count(pixel & kept)
        place.count(fires & kept)
        memory.write(fires & kept, place.value, self.data)
        self.take = fires
        return fires & begins, pixel & kept

    def _read(self, memory: Memory, pixels: Word) -> tuple[Word, Word]:
        """Build the reader; return how many rows it releases in this cycle, and whether it ends an
        image.
        """
        w, g, m = self.window, self.geometry, self.module
        (height, width), (out_height, out_width) = w.kept, w.out
        fold = Counter(m, self.span, "word")
        group = Counter(m, g.taps // self.taps, "tap")
        share = Counter(m, self.shared, "share")
        part = Counter(m, w.results // self.shared, "part")
        column, row = Counter(m, out_width, "out_x"), Counter(m, out_height, "out_y")
        self.row, self.column = row.value, column.value
        # the window's corner in the map
        x_end = (out_width - 1) * w.stride[1] - w.left
        y_end = (out_height - 1) * w.stride[0] - w.top
        x0 = m.state(-w.left, max(x_end, 0), initial=-w.left, name="x0")
        y0 = m.state(-w.top, max(y_end, 0), initial=-w.top, name="y0")
        ring: Word = ZERO
        if w.rows > 1:
            ring = turning = m.state(0, w.rows - 1, initial=-w.top % w.rows, name="ring")

        begins = (
            fold.value.equals(0) & group.value.equals(0)
            & share.value.equals(0) & part.value.equals(0)
        )  # fmt: skip
        last = fold.last & group.last
        pixel_y = clamped(y0 + (w.reach[0] - 1), 0, height - 1)
        pixel_x = clamped(x0 + (w.reach[1] - 1), 0, width - 1)
        there = times(pixel_y, width) + pixel_x < pixels
        step = (~begins | there) & (~last | self.room)
        self.step, self.last = step, last
        self.first = fold.value.equals(0) & group.value.equals(0)
        result = step & last
        window = result & share.last & part.last
        line = window & column.last
        image = line & row.last
        fold.count(step)
        group.count(step & fold.last)
        share.count(result)
        part.count(result & share.last)
        column.count(window)
        row.count(line)
        m.assign(x0, choose(column.last, -w.left, x0 + w.stride[1]).within(x0.lo, x0.hi), window)
        m.assign(y0, choose(row.last, -w.top, y0 + w.stride[0]).within(y0.lo, y0.hi), line)
        if w.rows > 1:
            onward = (height - (out_height - 1) * w.stride[0]) % w.rows
            ahead = choose(row.last, onward, w.stride[0] % w.rows)
            m.assign(turning, _wrapped(ring + ahead, w.rows), line)

        at = times(part.value, self.span) + fold.value
        self.words: list[Word] = []
        self.inside: list[Word] = []
        for k in range(self.taps):
            self._tap(memory, k, (x0, y0), ring, group.value, at)

        released = m.state(0, max(y0.hi, 0), name="released")
        until = choose(row.last, height, clamped(y0 + w.stride[0], 0, height))
        following = choose(row.last, 0, clamped(y0 + w.stride[0], 0, height))
        m.assign(released, following.within(0, released.hi), line)
        given = (until - released).within(0, height)
        return choose(line, given, 0), image

    def _tap(
        self, memory: Memory, k: int, corner: tuple[Word, Word], ring: Word, group: Word, at: Word
    ) -> None:
        """Read the k-th of the places that are read at once."""
        w, g, m = self.window, self.geometry, self.module
        (height, width), kernel_width = w.kept, g.kernel[1]
        taps = range(k, g.taps, self.taps)
        down = [tap // kernel_width * g.dilation[0] for tap in taps]
        right = [tap % kernel_width * g.dilation[1] for tap in taps]
        x = corner[0] + chosen(right, group)
        y = corner[1] + chosen(down, group)
        inside = (~(x < 0) & (x < width) & ~(y < 0) & (y < height)).named(f"inside_now{k}")
        line = _wrapped(ring + chosen([d % w.rows for d in down], group), w.rows)
        address = times(times(line, width) + x, w.words) + at
        words = max(2, w.buffer_words)
        self.words.append(memory.read(choose(inside, address, 0).within(0, words - 1)))
        self.inside.append(m.register(inside))


def _wrapped(value: Word, size: int) -> Word:
    """Return ``value`` modulo ``size``, if it is less than twice that."""
    return choose(value < size, value, value - size).within(0, size - 1)


def chosen(values: Sequence[int], index: Word) -> Word:
    """Return a constant by index."""
    return lookup(index, values)
