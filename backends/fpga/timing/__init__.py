"""Cycle-accurate timing of a pipeline: when each token moves, and how full each FIFO becomes.

DATAPATH.md defines the model. Timing does not depend on the values in the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..pipeline import Pipeline
from .network import MachineNetwork, Run
from .tables import Stat

__all__ = ["EngineTiming", "MachineNetwork", "Run", "Timing", "simulate_timing"]


@dataclass(frozen=True)
class EngineTiming:
    """The cycles of one engine.

    Attributes:
        busy: cycles of work per image (of the slower state machine, if it has two).
        first, last: cycles in which it begins and ends the first image; cycle 0 is that in which
            the first token enters the pipeline. Rows that no window reads may arrive after the last
            result has left.
        interval: cycles between the ends of the last two images.
        starved: cycles of the last image in which it waited for tokens (a line buffer's reader: for
            pixels).
        blocked: cycles of the last image in which it waited for room in the output FIFO.
    """

    busy: int
    first: int
    last: int
    interval: int
    starved: int
    blocked: int


@dataclass(frozen=True)
class Timing:
    """The result of simulating several consecutive images.

    Attributes:
        latency: cycles from the first token in to the last token out of the first image.
        interval: cycles between two images (initiation interval): exact if settled, otherwise the
            mean over the second half of the images, rounded up.
        settled: whether the interval is exact: either the last images move identically, or it is
            the interval of the slowest engine and no FIFO is too small for it.
        ends: cycle in which each image's last token left.
        depths: places of each edge's FIFO; places reserved for tokens in the producer's register
            stages count as taken.
        occupancy: the most places taken at once, by edge.
        engines: by index in the pipeline.
    """

    latency: int
    interval: int
    settled: bool
    ends: tuple[int, ...]
    depths: tuple[int, ...]
    occupancy: tuple[int, ...]
    engines: tuple[EngineTiming, ...]

    def images_per_second(self, clock_hz: float) -> float:
        """Return the throughput at a clock in Hz."""
        return clock_hz / self.interval


def simulate_timing(pipeline: Pipeline, *, depths: Mapping[int, int] | None = None) -> Timing:
    """Simulate a pipeline on consecutive images until it reaches a steady state.

    Args:
        pipeline: the engines and their edges.
        depths: FIFO depths by index of the edge; other FIFOs are sized automatically.

    Raises:
        CompileError: a deadlock, which only given depths can cause.
        ValueError: a depth below 1.
    """
    network = MachineNetwork(pipeline)
    sized = list(network.sizes)
    for edge, depth in (depths or {}).items():
        if depth < 1:
            raise ValueError(f"a FIFO of {depth} places: {pipeline.label(pipeline.edges[edge])}")
        sized[edge] = depth
    run = network.settled(sized)
    ends = run.ends()
    gaps = np.diff(ends)
    settled = run.steady or (run.sufficient and int(gaps[-1]) == network.bottleneck)
    half = run.images // 2
    mean = -(-int(ends[-1] - ends[half - 1]) // (run.images - half))
    return Timing(
        latency=int(ends[0]) + 1,
        interval=int(gaps[-1]) if settled else mean,
        settled=settled,
        ends=tuple(ends.tolist()),
        depths=tuple(sized),
        occupancy=tuple(run.occupancy()[0].tolist()),
        engines=tuple(_engine(run, k) for k in range(len(pipeline.engines))),
    )


def _engine(run: Run, index: int) -> EngineTiming:
    stats = run.stats[list(run.network.machines[index])]
    giver = stats[-1]
    return EngineTiming(
        busy=run.network.pipeline.engines[index].cycles,
        first=int(stats[:, 0, Stat.FIRST].min()),
        last=int(stats[:, 0, Stat.LAST].max()),
        interval=int(np.diff(giver[-2:, Stat.LAST])[0]),
        starved=int(giver[-1, Stat.STARVED]),
        blocked=int(giver[-1, Stat.BLOCKED]),
    )
