"""Cycle-accurate timing of a pipeline: when every token moves, how full every FIFO gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem

from . import jit
from .engines import Beat, Sink, Source, Window
from .pipeline import Pipeline
from .timing_kernel import Kind, Rule, Stat, State, build_advance, build_occupancy

LEAST_DEPTH = 2
"""Places of the smallest FIFO: one is written while the other is read."""

SIZING_IMAGES = 3
"""Images of the run that sizes FIFOs: one to fill the pipeline, two in steady state."""

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class EngineTiming:
    """One engine's cycles; ``starved`` and ``blocked`` are of the last image, in steady state.

    Attributes:
        busy: cycles of work an image (of the slower state machine, if it has two).
        first, last: cycle in which it begins and ends the first image, counted from the first
            token that enters the pipeline.
        interval: cycles between the ends of the last two images.
        starved: cycles waited for tokens (behind a line buffer: for pixels of the window).
        blocked: cycles waited for room in the FIFO behind.
    """

    busy: int
    first: int
    last: int
    interval: int
    starved: int
    blocked: int


@dataclass(frozen=True)
class Timing:
    """What a simulated run of several images back to back says.

    Attributes:
        images: how many were sent.
        latency: cycles from the first token in to the last token out of the first image.
        interval: cycles between the ends of the last two images: the initiation interval.
        settled: whether the interval before that was the same.
        depths: places of each edge's FIFO, those being filled by its producer's register stages
            included.
        occupancy: the most of them that were taken at once.
        engines: by index in the pipeline.
        ends: cycle in which each image's last token left.
    """

    images: int
    latency: int
    interval: int
    settled: bool
    depths: tuple[int, ...]
    occupancy: tuple[int, ...]
    engines: tuple[EngineTiming, ...]
    ends: tuple[int, ...]

    def images_per_second(self, clock_hz: float) -> float:
        """Throughput at a clock."""
        return clock_hz / self.interval


class Network:
    """The state machines of a pipeline as tables for the timing kernel."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.rows: list[dict[Rule, int]] = []
        self.machines: list[tuple[int, ...]] = []  # of each engine; the last gives its tokens
        self.wiring: list[int] = []
        self.words = self.releases = 0  # of an image
        for index, engine in enumerate(pipeline.engines):
            inputs = [k for k, e in enumerate(pipeline.edges) if e.target == index]
            outputs = [k for k, e in enumerate(pipeline.edges) if e.source == index]
            first, second = self._wire(inputs), self._wire(outputs)
            ports = {Rule.INPUTS: first, Rule.INPUT_COUNT: len(inputs),
                     Rule.OUTPUTS: second, Rule.OUTPUT_COUNT: len(outputs)}
            timing = engine.timing
            if isinstance(timing, Beat):
                self.machines.append((len(self.rows),))
                self.rows.append({
                    **ports, Rule.KIND: Kind.BEAT, Rule.FIRINGS: timing.firings,
                    Rule.LATENCY: timing.latency,
                    Rule.TAKE_PERIOD: timing.take[0], Rule.TAKE_LENGTH: timing.take[1],
                    Rule.GIVE_PERIOD: timing.give[0], Rule.GIVE_LENGTH: timing.give[1],
                })
            else:
                self._window(timing, ports)

    def _wire(self, edges: list[int]) -> int:
        self.wiring += edges
        return len(self.wiring) - len(edges)

    def _window(self, w: Window, ports: Mapping[Rule, int]) -> None:
        fill, work = len(self.rows), len(self.rows) + 1
        common = {
            Rule.WORDS: w.words, Rule.KEPT_HEIGHT: w.kept[0], Rule.KEPT_WIDTH: w.kept[1],
            Rule.OUT_HEIGHT: w.out[0], Rule.OUT_WIDTH: w.out[1],
            Rule.STRIDE_HEIGHT: w.stride[0], Rule.STRIDE_WIDTH: w.stride[1],
            Rule.TOP: w.top, Rule.LEFT: w.left,
            Rule.WRITTEN: self.words, Rule.RELEASED: self.releases,
        }
        self.rows.append({
            **ports, **common, Rule.KIND: Kind.FILL, Rule.FIRINGS: w.fill_cycles,
            Rule.OUTPUT_COUNT: 0, Rule.PARTNER: work, Rule.CAPACITY: w.rows,
            Rule.ARRIVING_HEIGHT: w.arriving[0], Rule.ARRIVING_WIDTH: w.arriving[1],
            Rule.DROP_ROWS: w.drop[0], Rule.DROP_COLUMNS: w.drop[1],
        })
        self.rows.append({
            **ports, **common, Rule.KIND: Kind.WORK,
            Rule.FIRINGS: w.out[0] * w.out[1] * w.results, Rule.INPUT_COUNT: 0, Rule.PARTNER: fill,
            Rule.REACH_HEIGHT: w.reach[0], Rule.REACH_WIDTH: w.reach[1],
            Rule.RESULTS: w.results, Rule.RESULT_CYCLES: w.result_cycles, Rule.LATENCY: w.latency,
        })
        self.machines.append((fill, work))
        self.words += w.kept[0] * w.kept[1] * w.words
        self.releases += w.out[0]

    @cached_property
    def bottleneck(self) -> int:
        """Cycles an image of the slowest engine: no pipeline is faster."""
        return max(engine.cycles for engine in self.pipeline.engines)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """FIFO depths that cost no throughput, by edge.

        Images enter evenly spread over the bottleneck's cycles and FIFOs have all the room they
        want; the most each one holds is its depth.  With these depths every token moves exactly as
        it did, as no place was ever missed: so they neither deadlock nor slow the pipeline down.
        """
        unbounded = [e.tokens * SIZING_IMAGES for e in self.pipeline.edges]
        run = self.run(SIZING_IMAGES, unbounded, pace=self.bottleneck)
        return tuple(int(v) for v in np.maximum(run.occupancy(), LEAST_DEPTH))

    def run(self, images: int, depths: Sequence[int], *, pace: int = 0) -> Run:
        """Fire everything.

        Args:
            images: sent back to back.
            depths: places of each edge's FIFO.
            pace: cycles over which the source spreads each image; 0: as fast as it can.

        Raises:
            CompileError: a deadlock; the message names the full FIFOs.
        """
        result = Run(self, images, np.asarray(depths, np.int64), pace)
        result.check()
        return result


class Run:
    """One run of the timing kernel and the stamps it left."""

    def __init__(self, network: Network, images: int, depths: Longs, pace: int) -> None:
        self.network, self.images, self.depths = network, images, depths
        pipeline = network.pipeline
        rules = np.zeros((len(network.rows), len(Rule)), np.int64)
        for k, row in enumerate(network.rows):
            for column, value in row.items():
                rules[k, column] = value
        for engine, machines in zip(pipeline.engines, network.machines, strict=True):
            if isinstance(engine, Source):
                rules[machines[0], Rule.PACE] = pace
        # each buffer's stamps of all images lie together
        rules[:, [Rule.WRITTEN, Rule.RELEASED]] *= images
        self.tokens = np.array([e.tokens for e in pipeline.edges], np.int64) * images
        self.offsets = np.cumsum(self.tokens) - self.tokens
        total = int(self.tokens.sum())
        self.state = np.zeros((len(rules), len(State)), np.int64)
        self.state[:, State.TIME] = -1
        self.given, self.taken = (np.zeros(len(self.tokens), np.int64) for _ in range(2))
        self.give_stamp, self.take_stamp = (np.zeros(total, np.int64) for _ in range(2))
        self.stats = np.zeros((len(rules), images, len(Stat)), np.int64)
        jit.compiled(build_advance)(
            len(rules), images, *(np.ascontiguousarray(a).reshape(-1) for a in (
                rules, np.array(network.wiring, np.int64), self.depths, self.offsets, self.state,
                self.given, self.taken, self.give_stamp, self.take_stamp,
                np.zeros(max(1, network.words * images), np.int64),
                np.zeros(max(1, network.releases * images), np.int64), self.stats,
            )),
        )
        self.rules = rules

    def check(self) -> None:
        """Raise CompileError if something was left to do: a deadlock."""
        left = self.state[:, State.FIRED] < self.rules[:, Rule.FIRINGS] * self.images
        if not left.any():
            return
        pipeline = self.network.pipeline
        full = [
            Problem(
                node=pipeline.label(edge), op="fifo", found=f"full with {depth} places",
                supported=f"{self.network.sizes[k]} places or more",
            )
            for k, (edge, depth) in enumerate(zip(pipeline.edges, self.depths, strict=True))
            if self.given[k] - self.taken[k] >= depth
        ]
        raise CompileError([
            Problem(node="", op="", found="the datapath comes to a standstill (deadlock): every "
                    "engine waits for another", mend="deepen the full FIFOs below, or leave the "
                    "depths to the compiler"), *full,
        ])

    def occupancy(self) -> Longs:
        """The most places taken at once, by edge."""
        network = self.network
        latency = np.array([
            self.rules[network.machines[e.source][-1], Rule.LATENCY] for e in network.pipeline.edges
        ], np.int64)
        most = np.zeros(len(self.tokens), np.int64)
        jit.compiled(build_occupancy)(
            len(most), self.offsets, self.tokens, latency, self.give_stamp, self.take_stamp, most
        )
        return most

    def ends(self) -> Longs:
        """When each image's last token left, by image."""
        index = next(k for k, e in enumerate(self.network.pipeline.engines) if isinstance(e, Sink)
                     and e.tensor == self.network.pipeline.program.output)
        return self.stats[self.network.machines[index][0], :, Stat.LAST]

    def engine(self, index: int) -> EngineTiming:
        machines = self.network.machines[index]
        stats = self.stats[list(machines)]
        last = stats[-1, :, Stat.LAST]
        engine = self.network.pipeline.engines[index]
        reader = stats[-1, -1]
        return EngineTiming(
            busy=engine.cycles, first=int(stats[:, 0, Stat.FIRST].min()), last=int(last[0]),
            interval=int(last[-1] - last[-2]) if self.images > 1 else 0,
            starved=int(reader[Stat.STARVED]), blocked=int(reader[Stat.BLOCKED]),
        )


def simulate_timing(
    pipeline: Pipeline, *, images: int = 4, depths: Mapping[int, int] | None = None
) -> Timing:
    """Run a pipeline's timing.

    Args:
        pipeline: the engines and their edges.
        images: sent back to back, at least 2.
        depths: places of FIFOs by index of the edge; the others are sized automatically.

    Raises:
        CompileError: a deadlock, which needs depths of one's own.
    """
    if images < 2:
        raise ValueError("an interval needs two images")
    network = Network(pipeline)
    sized = list(network.sizes)
    for edge, depth in (depths or {}).items():
        sized[edge] = depth
    run = network.run(images, sized)
    ends = run.ends()
    gaps = np.diff(ends)
    return Timing(
        images=images, latency=int(ends[0]) + 1, interval=int(gaps[-1]),
        settled=len(gaps) > 1 and bool(gaps[-1] == gaps[-2]), depths=tuple(sized),
        occupancy=tuple(int(v) for v in run.occupancy()),
        engines=tuple(run.engine(k) for k in range(len(pipeline.engines))),
        ends=tuple(int(v) for v in ends),
    )

