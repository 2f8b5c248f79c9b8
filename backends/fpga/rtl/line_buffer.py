"""The line buffer: a writer, a reader and a memory of rows between them (DATAPATH.md)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Elaboratable, Module, Mux, Signal
from amaranth.lib.memory import Memory

from ..area.count import asked_for_luts
from ..engines import Window
from ..engines.window import Geometry
from .parts import Counter, Feed, delayed, times


class LineBuffer(Elaboratable):
    """Shows its reader the words of one window after the other.

    Args:
        window: sizes and timing.
        geometry: of the same window; for the places of its taps.
        word: bits of a word.
        taps: places read at once.
        span: words of a tap that a result reads, one a cycle.
        shared: results one after the other that read the same words.

    Attributes:
        feed: the stream that is written.
        room: a place for a result is free behind.
        step: words are read in this cycle.
        first, last: they are a result's first, last.
        row, column: of that result.
        words, inside: what was read in the cycle before, and whether it lies inside the map.
    """

    def __init__(
        self, window: Window, geometry: Geometry, *, word: int, taps: int, span: int, shared: int
    ) -> None:
        self.window, self.geometry = window, geometry
        self.word, self.taps, self.span, self.shared = word, taps, span, shared
        self.feed, self.room = Feed(word), Signal()
        self.step, self.first, self.last = Signal(), Signal(), Signal()
        self.row, self.column = (
            Signal(range(n), name=name)
            for n, name in zip(window.out, ("row", "column"), strict=True)
        )
        self.words = [Signal(word, name=f"word{k}") for k in range(taps)]
        self.inside = [Signal(name=f"inside{k}") for k in range(taps)]

    def elaborate(self, platform: Any) -> Module:
        m, w = Module(), self.window
        height, width = w.kept
        # The reader may be done with rows that are still to come, so both counts may be negative.
        held = Signal(range(-height, w.rows + 1), name="held_rows")
        pixels = Signal(range(-height * width, (height + w.rows) * width + 1), name="pixels")
        words = max(2, w.buffer_words)
        asked = asked_for_luts(words, self.word, self.taps)
        m.submodules.memory = memory = Memory(
            shape=self.word,
            depth=words,
            init=[],
            attrs={"ram_style": "distributed"} if asked else {},
        )
        begun, pixel_done = self._write(m, memory, held)
        released, image_done = self._read(m, memory, pixels)
        m.d.sync += [
            held.eq(held + begun - released),
            pixels.eq(pixels + pixel_done - Mux(image_done, height * width, 0)),
        ]
        return m

    def _write(self, m: Module, memory: Memory, held: Signal) -> tuple[Any, Any]:
        """The writer: whether it begins a row in this cycle, and whether it ends a pixel."""
        w = self.window
        word = Counter(w.words, "in_word")
        drop_x, drop_y = Counter(w.drop[1], "drop_x"), Counter(w.drop[0], "drop_y")
        x, y = Counter(w.arriving[1], "in_x"), Counter(w.arriving[0], "in_y")
        column, place = Counter(w.kept[1], "column"), Counter(w.buffer_words, "place")
        kept = (drop_x.value == 0) & (drop_y.value == 0)
        begins = kept & (word.value == 0) & (column.value == 0)
        fires = self.feed.valid & (~begins | (held < w.rows))
        pixel = fires & word.last
        row = pixel & x.last
        word.count(m, fires)
        x.count(m, pixel)
        _count_from(m, drop_x, pixel, x.last)
        _count_from(m, drop_y, row, y.last)
        y.count(m, row)
        column.count(m, pixel & kept)
        place.count(m, fires & kept)
        port = memory.write_port()
        m.d.comb += [
            self.feed.take.eq(fires),
            port.en.eq(fires & kept),
            port.addr.eq(place.value),
            port.data.eq(self.feed.data),
        ]
        return fires & begins, pixel & kept

    def _read(self, m: Module, memory: Memory, pixels: Signal) -> tuple[Any, Any]:
        """The reader: how many rows it releases in this cycle, and whether it ends an image."""
        w, g = self.window, self.geometry
        (height, width), (out_height, out_width) = w.kept, w.out
        fold = Counter(self.span, "word")
        group = Counter(g.taps // self.taps, "tap")
        share = Counter(self.shared, "share")
        part = Counter(w.results // self.shared, "part")
        column, row = Counter(out_width, "out_x"), Counter(out_height, "out_y")
        m.d.comb += [self.row.eq(row.value), self.column.eq(column.value)]
        # the window's corner in the map
        x_end = (out_width - 1) * w.stride[1] - w.left
        y_end = (out_height - 1) * w.stride[0] - w.top
        x0 = Signal(range(-w.left, max(x_end, 0) + 1), init=-w.left, name="x0")
        y0 = Signal(range(-w.top, max(y_end, 0) + 1), init=-w.top, name="y0")
        ring = Counter(w.rows, "ring")
        if w.rows > 1:
            ring.value = Signal(range(w.rows), init=-w.top % w.rows, name="ring")

        begins = (fold.value == 0) & (group.value == 0) & (share.value == 0) & (part.value == 0)
        last = fold.last & group.last
        pixel_y = _within(y0 + (w.reach[0] - 1), height)
        pixel_x = _within(x0 + (w.reach[1] - 1), width)
        there = times(pixel_y, width) + pixel_x < pixels
        step = (~begins | there) & (~last | self.room)
        m.d.comb += [
            self.step.eq(step),
            self.last.eq(last),
            self.first.eq((fold.value == 0) & (group.value == 0)),
        ]
        result = step & last
        window = result & share.last & part.last
        line = window & column.last
        image = line & row.last
        fold.count(m, step)
        group.count(m, step & fold.last)
        share.count(m, result)
        part.count(m, result & share.last)
        column.count(m, window)
        row.count(m, line)
        with m.If(window):
            m.d.sync += x0.eq(Mux(column.last, -w.left, x0 + w.stride[1]))
        with m.If(line):
            m.d.sync += y0.eq(Mux(row.last, -w.top, y0 + w.stride[0]))
            if w.rows > 1:
                onward = (height - (out_height - 1) * w.stride[0]) % w.rows
                ahead = Mux(row.last, onward, w.stride[0] % w.rows)
                m.d.sync += ring.value.eq(_wrapped(ring.value + ahead, w.rows))

        at = times(part.value, self.span) + fold.value
        for k in range(self.taps):
            self._tap(m, memory, k, (x0, y0), ring.value, group.value, at)

        released = Signal(range(height + 1), name="released")
        until = Mux(row.last, height, _clipped(y0 + w.stride[0], height))
        with m.If(line):
            m.d.sync += released.eq(Mux(row.last, 0, until))
        return Mux(line, until - released, 0), image

    def _tap(
        self,
        m: Module,
        memory: Memory,
        k: int,
        corner: tuple[Any, Any],
        ring: Any,
        group: Any,
        word: Any,
    ) -> None:
        """Read the k-th of the places that are read at once."""
        w, g = self.window, self.geometry
        (height, width), kernel_width = w.kept, g.kernel[1]
        taps = range(k, g.taps, self.taps)
        down = [tap // kernel_width * g.dilation[0] for tap in taps]
        right = [tap % kernel_width * g.dilation[1] for tap in taps]
        x = corner[0] + chosen(right, group)
        y = corner[1] + chosen(down, group)
        inside = Signal(name=f"inside_now{k}")
        line = _wrapped(ring + chosen([d % w.rows for d in down], group), w.rows)
        port = memory.read_port()
        m.d.comb += [
            inside.eq((x >= 0) & (x < width) & (y >= 0) & (y < height)),
            port.addr.eq(Mux(inside, times(times(line, width) + x, w.words) + word, 0)),
            self.words[k].eq(port.data),
            self.inside[k].eq(delayed(m, inside, 1)),
        ]


def _count_from(m: Module, counter: Counter, step: Any, anew: Any) -> None:
    """Count, and begin anew at the end of the row or map that is counted through."""
    if counter.period > 1:
        with m.If(step):
            m.d.sync += counter.value.eq(Mux(anew | counter.last, 0, counter.value + 1))


def _within(value: Any, size: int) -> Any:
    """``value`` within 0 .. size - 1."""
    return Mux(value < 0, 0, Mux(value >= size, size - 1, value))


def _clipped(value: Any, most: int) -> Any:
    """``value`` within 0 .. most."""
    return Mux(value < 0, 0, Mux(value > most, most, value))


def _wrapped(value: Any, size: int) -> Any:
    """``value`` modulo ``size``, if it is less than twice that."""
    return Mux(value >= size, value - size, value)[: max(1, (size - 1).bit_length())]


def chosen(values: list[int], index: Any) -> Any:
    """A constant by index."""
    return Const(values[0]) if len(set(values)) == 1 else Array(values)[index]
