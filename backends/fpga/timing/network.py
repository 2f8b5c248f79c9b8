"""The state machines of a pipeline, and their simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem

from .. import jit
from ..engines import Beat, Source, WindowTiming
from ..pipeline import Pipeline
from . import recurrence
from .kernels import ADVANCE, build_advance, build_occupancy
from .tables import MachineKind, Rule, Stat, State

LEAST_DEPTH = 2
"""Places of the smallest FIFO: one is written while the other is read."""

MOST_TOKENS = 1 << 26  # per image: five times ResNet-18's, and two gigabytes
FIRST_IMAGES, MOST_IMAGES = 4, 64
"""Images of the first run, and images after which no steady state is expected any more."""

WORTHWHILE = 2_000_000
"""Firings up to which more images are simulated although the interval is already known."""

Longs = NDArray[np.int64]


class MachineNetwork:
    """A pipeline as tables for the timing kernel.

    Attributes:
        rows: the rules of each state machine.
        machines: indices of each engine's state machines: one, or a line buffer's writer and
            reader.
        wiring: indices of edges, grouped by machine.
        words, releases: words written and rows released per image, in all line buffers.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.rows: list[dict[Rule, int]] = []
        self.machines: list[tuple[int, ...]] = []
        self.wiring: list[int] = []
        self.words = self.releases = 0
        for index, engine in enumerate(pipeline.engines):
            inputs = [k for k, e in enumerate(pipeline.edges) if e.target == index]
            outputs = [k for k, e in enumerate(pipeline.edges) if e.source == index]
            ports = {
                Rule.INPUTS: self._wire(inputs),
                Rule.INPUT_COUNT: len(inputs),
                Rule.OUTPUTS: self._wire(outputs),
                Rule.OUTPUT_COUNT: len(outputs),
            }
            timing = engine.timing
            if isinstance(timing, Beat):
                self._beat(timing, ports)
            else:
                self._window(timing, ports)

    def _wire(self, edges: list[int]) -> int:
        self.wiring += edges
        return len(self.wiring) - len(edges)

    def _beat(self, beat: Beat, ports: Mapping[Rule, int]) -> None:
        self.machines.append((len(self.rows),))
        self.rows.append(
            {
                **ports,
                Rule.KIND: MachineKind.BEAT,
                Rule.FIRINGS: beat.firings,
                Rule.LATENCY: beat.latency,
                Rule.TAKE_PERIOD: beat.take[0],
                Rule.TAKE_LENGTH: beat.take[1],
                Rule.GIVE_PERIOD: beat.give[0],
                Rule.GIVE_LENGTH: beat.give[1],
                Rule.TURNS: int(beat.turns),
            }
        )

    def _window(self, w: WindowTiming, ports: Mapping[Rule, int]) -> None:
        fill, work = len(self.rows), len(self.rows) + 1
        common = {
            Rule.WORDS: w.words,
            Rule.KEPT_HEIGHT: w.kept[0],
            Rule.KEPT_WIDTH: w.kept[1],
            Rule.OUT_HEIGHT: w.out[0],
            Rule.OUT_WIDTH: w.out[1],
            Rule.STRIDE_HEIGHT: w.stride[0],
            Rule.STRIDE_WIDTH: w.stride[1],
            Rule.TOP: w.top,
            Rule.LEFT: w.left,
            Rule.WRITTEN: self.words,
            Rule.RELEASED: self.releases,
        }
        self.rows.append(
            {
                **ports,
                **common,
                Rule.KIND: MachineKind.FILL,
                Rule.FIRINGS: w.fill_cycles,
                Rule.OUTPUT_COUNT: 0,
                Rule.PARTNER: work,
                Rule.CAPACITY: w.rows,
                Rule.ARRIVING_HEIGHT: w.arriving[0],
                Rule.ARRIVING_WIDTH: w.arriving[1],
                Rule.DROP_ROWS: w.drop[0],
                Rule.DROP_COLUMNS: w.drop[1],
            }
        )
        self.rows.append(
            {
                **ports,
                **common,
                Rule.KIND: MachineKind.WORK,
                Rule.FIRINGS: w.out[0] * w.out[1] * w.results,
                Rule.INPUT_COUNT: 0,
                Rule.PARTNER: fill,
                Rule.REACH_HEIGHT: w.reach[0],
                Rule.REACH_WIDTH: w.reach[1],
                Rule.RESULTS: w.results,
                Rule.RESULT_CYCLES: w.result_cycles,
                Rule.LATENCY: w.latency,
            }
        )
        self.machines.append((fill, work))
        self.words += w.kept[0] * w.kept[1] * w.words
        self.releases += w.out[0]

    @cached_property
    def firings(self) -> Longs:
        """Firings per image, by state machine."""
        return np.array([row[Rule.FIRINGS] for row in self.rows], np.int64)

    @cached_property
    def bottleneck(self) -> int:
        """Cycles per image of the slowest engine, the least possible interval."""
        return max(engine.cycles for engine in self.pipeline.engines)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """FIFO depths that do not reduce the throughput, by edge.

        In a simulation with unlimited FIFOs, images enter evenly spread over the bottleneck's
        cycles. The depth of a FIFO is its largest occupancy in the steady state. With these depths
        every token can move exactly as in that simulation, so there is no deadlock and no loss of
        speed.
        """
        tokens = [e.tokens for e in self.pipeline.edges]
        images = FIRST_IMAGES
        while True:
            run = self.run(images, [t * images for t in tokens], pace=self.bottleneck)
            most, longest = run.occupancy()
            # images that enter while a place is taken have to be in steady state too
            needed = -(-longest // self.bottleneck) + 1
            if images - 1 - run.steady_from >= needed or images >= MOST_IMAGES:
                return tuple(int(v) for v in np.maximum(most, LEAST_DEPTH))
            images *= 2

    def settled(self, depths: Sequence[int]) -> Run:
        """Simulate as many consecutive images as are needed to reach a steady state.

        Engines before the slowest one get ahead of it with each image until their FIFOs are full.
            This may take many images but does not change the interval: where all depths suffice
                (``sizes``) it is the bottleneck's, so the simulation of large networks stops early.

        Raises:
            CompileError: a deadlock.
        """
        images = FIRST_IMAGES
        while True:
            run = self.run(images, depths)
            firings = int(self.firings.sum()) * images
            if run.steady or images >= MOST_IMAGES or (run.sufficient and firings >= WORTHWHILE):
                return run
            images *= 2

    def run(self, images: int, depths: Sequence[int], *, pace: int = 0) -> Run:
        """Simulate a number of images.

        Args:
            images: number of consecutive images.
            depths: depth of each edge's FIFO.
            pace: cycles over which the source spreads each image; 0: as fast as possible.

        Raises:
            CompileError: a deadlock (the message names the full FIFOs), or more tokens per image
                than can be simulated.
        """
        tokens = sum(edge.tokens for edge in self.pipeline.edges)
        if tokens > MOST_TOKENS:
            raise CompileError(
                Problem(
                    node="",
                    op="",
                    found=f"a datapath through which {tokens:,} words of FIFOs pass an image",
                    supported=f"at most {MOST_TOKENS:,}: each is simulated",
                    hint="use smaller images, or more SIMD lanes and processing elements",
                )
            )
        run = Run(self, images, np.asarray(depths, np.int64), pace)
        run.check()
        return run


class Run:
    """One run of the timing kernel, and its results.

    Attributes:
        give_stamp, take_stamp: cycles in which each token enters and leaves its FIFO, edge by edge.
        stats: waiting cycles, (machines, images, Stat).
    """

    def __init__(self, network: MachineNetwork, images: int, depths: Longs, pace: int) -> None:
        self.network, self.images, self.depths = network, images, depths
        pipeline, edges = network.pipeline, network.pipeline.edges
        self.rules = rules = np.zeros((len(network.rows), len(Rule)), np.int64)
        for k, row in enumerate(network.rows):
            for column, value in row.items():
                rules[k, column] = value
        for engine, machines in zip(pipeline.engines, network.machines, strict=True):
            if isinstance(engine, Source):
                rules[machines[0], Rule.PACE] = pace
        # a buffer's stamps of all images are adjacent
        rules[:, [Rule.WRITTEN, Rule.RELEASED]] *= images
        self.tokens = np.array([e.tokens for e in edges], np.int64) * images
        self.offsets = np.cumsum(self.tokens) - self.tokens
        self.givers = np.array([network.machines[e.source][-1] for e in edges], np.int64)
        takers = np.array([network.machines[e.target][0] for e in edges], np.int64)
        self._fire("int32", takers)
        # int32 stamps may overflow; the state holds the full times.
        if int((self.state[:, State.TIME] + rules[:, Rule.LATENCY]).max()) >= 2**31:
            self._fire("int64", takers)

    def _fire(self, stamp: str, takers: Longs) -> None:
        network, images, rules = self.network, self.images, self.rules
        self.stamp = stamp
        self.state = np.zeros((len(rules), len(State)), np.int64)
        self.state[:, State.TIME] = -1
        self.given, self.taken = (np.zeros(len(self.tokens), np.int64) for _ in range(2))
        self.stats = np.zeros((len(rules), images, len(Stat)), np.int64)
        total = int(self.tokens.sum())
        self.give_stamp, self.take_stamp, written, released = (
            np.zeros(max(1, n), self.stamp)
            for n in (total, total, network.words * images, network.releases * images)
        )
        queue = np.zeros((2, len(rules)), np.int64)
        tables = {
            "rules": rules,
            "wiring": np.array(network.wiring, np.int64),
            "depth": self.depths,
            "offset": self.offsets,
            "source": self.givers,
            "target": takers,
            "state": self.state,
            "given": self.given,
            "taken": self.taken,
            "give_stamp": self.give_stamp,
            "take_stamp": self.take_stamp,
            "written": written,
            "released": released,
            "stats": self.stats,
            "queue": queue[0],
            "queued": queue[1],
        }
        if not jit.available():
            recurrence.advance(images, tables)
            return
        jit.compiled(build_advance, self.stamp)(
            images, len(rules), *(tables[name].reshape(-1) for name in ADVANCE)
        )

    def check(self) -> None:
        """Raise CompileError if firings are left, which is a deadlock."""
        left = self.state[:, State.FIRED] < self.rules[:, Rule.FIRINGS] * self.images
        if not left.any():
            return
        pipeline = self.network.pipeline
        full = [
            Problem(
                node=pipeline.label(edge),
                op="fifo",
                found=f"full with {depth} places",
                supported=f"{self.network.sizes[k]} places",
            )
            for k, (edge, depth) in enumerate(zip(pipeline.edges, self.depths, strict=True))
            if self.given[k] - self.taken[k] >= depth
        ]
        raise CompileError(
            [
                Problem(
                    node="",
                    op="",
                    found="the datapath comes to a standstill (deadlock): every engine "
                    "waits for another",
                    hint="deepen the full FIFOs below, or have them sized",
                ),
                *full,
            ]
        )

    def occupancy(self) -> tuple[Longs, int]:
        """Return the most places of each FIFO taken at once,
        and the longest time a place was taken.
        """
        latency = np.ascontiguousarray(self.rules[self.givers, Rule.LATENCY])
        if not jit.available():
            stamps = self.give_stamp, self.take_stamp
            most, longest = recurrence.occupancy(self.offsets, self.tokens, latency, *stamps)
            return most, int(longest.max(initial=0))
        most, longest = (np.zeros(len(self.tokens), np.int64) for _ in range(2))
        jit.compiled(build_occupancy, self.stamp)(
            len(most),
            self.offsets,
            self.tokens,
            latency,
            self.give_stamp,
            self.take_stamp,
            most,
            longest,
        )
        return most, int(longest.max(initial=0))

    @cached_property
    def steady_from(self) -> int:
        """The first image from which every token moves as in the image before, at a later time.

        The last image if there is none.
        """
        first, interval = 0, int(np.diff(self.ends()[-2:])[0])
        for stamps in (self.give_stamp, self.take_stamp):
            for offset, count in zip(self.offsets, self.tokens, strict=True):
                by_image = stamps[offset : offset + count].reshape(self.images, -1)
                while (
                    first < self.images - 1
                    and (np.diff(by_image[first:], axis=0) != interval).any()
                ):
                    first += 1
        return first

    @property
    def steady(self) -> bool:
        """Whether the last three images move identically."""
        return self.steady_from <= self.images - 3

    @property
    def sufficient(self) -> bool:
        """Whether no FIFO is smaller than ``MachineNetwork.sizes``."""
        return bool((self.depths >= np.array(self.network.sizes, np.int64)).all())

    def ends(self) -> Longs:
        """Return the cycle in which each image's last token left."""
        sinks = [self.network.machines[k][0] for k in self.network.pipeline.sinks]
        last: Longs = self.stats[sinks, :, Stat.LAST].max(axis=0)
        return last
