"""A slow model of the datapath that steps a clock, written from DATAPATH.md alone.

In each cycle every state machine acts on the state at the clock edge; its effects are visible from
the next edge on. The simulator instead computes firing times by a recurrence, in another order;
both have to agree on every token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from n2uqc.backends.fpga.engines import Beat, Source, WindowTiming
from n2uqc.backends.fpga.pipeline import Pipeline


class Fifo:
    """A FIFO: places are reserved at a firing, and tokens arrive ``latency`` cycles later."""

    def __init__(self, depth: int, latency: int) -> None:
        self.depth, self.latency = depth, latency
        self.reserved = 0
        self.coming: deque[int] = deque()  # cycles in which tokens enter
        self.entered: list[int] = []
        self.left: list[int] = []
        self.most = 0
        self.freed = 0

    def ready(self, now: int) -> bool:
        return bool(self.coming) and self.coming[0] < now

    @property
    def room(self) -> bool:
        return self.reserved < self.depth

    def give(self, now: int) -> None:
        self.reserved += 1
        self.most = max(self.most, self.reserved)
        self.coming.append(now + self.latency)
        self.entered.append(now + self.latency)

    def take(self, now: int) -> None:
        self.coming.popleft()
        self.left.append(now)
        self.freed += 1

    def edge(self) -> None:
        """The next clock edge: places that were left are free."""
        self.reserved -= self.freed
        self.freed = 0


class BeatMachine:
    def __init__(self, beat: Beat, inputs: list[Fifo], outputs: list[Fifo], images: int) -> None:
        self.beat, self.inputs, self.outputs = beat, inputs, outputs
        self.left = beat.firings * images
        self.fired = 0

    def step(self, now: int) -> bool:
        if not self.left:
            return False
        early = self.fired % self.beat.take[0] < self.beat.take[1]
        takes = self.inputs if early else []
        if self.beat.turns:
            takes = [self.inputs[0 if early else 1]]
        gives = self.fired % self.beat.give[0] >= self.beat.give[0] - self.beat.give[1]
        if not all(f.ready(now) for f in takes):
            return False
        if gives and not all(f.room for f in self.outputs):
            return False
        for fifo in takes:
            fifo.take(now)
        for fifo in self.outputs if gives else ():
            fifo.give(now)
        self.fired += 1
        self.left -= 1
        return True

    def edge(self) -> None:
        pass


class WindowMachine:
    """The writer and the reader of one line buffer; ``seen`` counts are as of the clock edge."""

    def __init__(self, w: WindowTiming, source: Fifo, outputs: list[Fifo], images: int) -> None:
        self.w, self.source, self.outputs = w, source, outputs
        self.arrivals = [
            (y % w.drop[0] == 0 and x % w.drop[1] == 0)
            for _ in range(images)
            for y in range(w.arriving[0])
            for x in range(w.arriving[1])
            for _ in range(w.words)
        ]
        self.windows = [
            (image, y, x, result)
            for image in range(images)
            for y in range(w.out[0])
            for x in range(w.out[1])
            for result in range(w.results)
        ]
        self.arrived = self.given = self.worked = 0
        self.written = self.seen_written = 0
        self.released = self.seen_released = 0

    def step(self, now: int) -> bool:
        wrote, read = self._write(now), self._read(now)
        return wrote or read

    def _write(self, now: int) -> bool:
        w = self.w
        if self.arrived == len(self.arrivals) or not self.source.ready(now):
            return False
        keep, row_words = self.arrivals[self.arrived], w.kept[1] * w.words
        if keep and self.written % row_words == 0:
            rows = self.written // row_words
            if rows - self.seen_released >= w.rows:
                return False
        self.source.take(now)
        self.arrived += 1
        self.written += keep
        return True

    def _read(self, now: int) -> bool:
        w = self.w
        if self.given == len(self.windows):
            return False
        image, oy, ox, result = self.windows[self.given]
        if result == 0 and self.worked == 0:
            last_y, last_x = (
                at * stride - pad + reach - 1
                for at, stride, pad, reach in zip(
                    (oy, ox), w.stride, (w.top, w.left), w.reach, strict=True
                )
            )
            # the map's pixel nearest to the window's last
            y, x = (
                sorted((0, at, size - 1))[1]
                for at, size in zip((last_y, last_x), w.kept, strict=True)
            )
            if self.seen_written < ((image * w.kept[0] + y) * w.kept[1] + x + 1) * w.words:
                return False
        if self.worked < w.result_cycles - 1:
            self.worked += 1
            return True
        if not all(f.room for f in self.outputs):
            return False
        for fifo in self.outputs:
            fifo.give(now)
        self.worked = 0
        self.given += 1
        if (ox, result) == (w.out[1] - 1, w.results - 1):
            above = (oy + 1) * w.stride[0] - w.top
            rows = w.kept[0] if oy == w.out[0] - 1 else min(max(above, 0), w.kept[0])
            self.released = image * w.kept[0] + rows
        return True

    def edge(self) -> None:
        self.seen_written, self.seen_released = self.written, self.released


def run_clocked(pipeline: Pipeline, depths: Sequence[int], images: int) -> list[Fifo]:
    """Step until nothing moves any more; the FIFOs with when each token entered and left."""
    edges = pipeline.edges
    fifos = [
        Fifo(depth, pipeline.engines[edge.source].timing.latency)
        for edge, depth in zip(edges, depths, strict=True)
    ]
    machines: list[BeatMachine | WindowMachine] = []
    for index, engine in enumerate(pipeline.engines):
        inputs = [f for f, e in zip(fifos, edges, strict=True) if e.target == index]
        outputs = [f for f, e in zip(fifos, edges, strict=True) if e.source == index]
        timing = engine.timing
        if isinstance(timing, Beat):
            assert bool(inputs) != isinstance(engine, Source)
            machines.append(BeatMachine(timing, inputs, outputs, images))
        else:
            machines.append(WindowMachine(timing, inputs[0], outputs, images))
    idle, now = 0, 0
    while idle < 40:  # longer than any latency
        moved = [machine.step(now) for machine in machines]
        idle = 0 if any(moved) else idle + 1
        for part in (*machines, *fifos):
            part.edge()
        now += 1
    return fifos
