"""Cycle-accurate timing of a pipeline: when every token moves, how full every FIFO gets.

DATAPATH.md states the model.  It does not depend on the values that flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..pipeline import Pipeline
from .network import Network, Run
from .tables import Stat

__all__ = ["EngineTiming", "Network", "Run", "Timing", "simulate_timing"]


@dataclass(frozen=True)
class EngineTiming:
    """One engine's cycles.

    Attributes:
        busy: cycles of work an image (of the slower state machine, if it has two).
        first, last: cycle in which it begins and ends the first image, counted from the one in
            which the first token enters the pipeline.  A last row that no window reaches may
            arrive after the result has left.
        interval: cycles between the ends of the last two images.
        starved: cycles of the last image waited for tokens (behind a line buffer: for pixels).
        blocked: cycles of the last image waited for room in the FIFO behind.
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
        latency: cycles from the first token in to the last token out of the first image.
        interval: cycles between two images (initiation interval): exact once settled,
            otherwise the mean over the later half of the images, rounded up.
        settled: whether that interval is exact: from some image on every token moves as in the
            image before, or it is the bottleneck's and no FIFO is too small to keep it.
        ends: cycle in which each image's last token left.
        depths: places of each edge's FIFO; those that the producer's register stages are about to
            fill count as taken.
        occupancy: the most of them taken at once.
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
        """Throughput at a clock."""
        return clock_hz / self.interval


def simulate_timing(pipeline: Pipeline, *, depths: Mapping[int, int] | None = None) -> Timing:
    """Run a pipeline on images back to back until it is steady.

    Args:
        pipeline: the engines and their edges.
        depths: places of FIFOs by index of the edge; the others are sized automatically.

    Raises:
        CompileError: a deadlock, which needs depths of one's own.
        ValueError: a depth below 1.
    """
    network = Network(pipeline)
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
