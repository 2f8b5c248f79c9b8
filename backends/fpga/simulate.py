"""Bit- and cycle-accurate simulation of a program's datapath."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Flatten, IntType, Program
from n2uqc.passes.program.boundary import check_integers

from .engines.engine import Run
from .folding import Folding, default_folding
from .pipeline import Pipeline, build_pipeline
from .timing import Timing, simulate_timing
from .widths import storage

IntArray = NDArray[np.int64]

CHUNK_BYTES = 1 << 22
"""About what the tensors of one piece of a batch may take: the caches of a small machine."""


@dataclass(frozen=True)
class EngineReport:
    """One engine after a simulation; cycles are of one image.

    Attributes:
        name: the tensor it defines, or what it does between tensors.
        kind: of hardware.
        origin: the ONNX nodes it stands for.
        pe, simd: its folding (lanes of plumbing stand as pe).
        bits: width of its registers and outputs.
        busy: cycles of work.
        starved, blocked: cycles waited for inputs, for room behind, in steady state.
        first, last: cycles in which it begins and ends the first image.
        interval: cycles between its ends of two images.
        wraps: additions that left the accumulator's width in between (harmless by themselves).
        overflows: results that differ from exact arithmetic; 0 for every verified program.
    """

    name: str
    kind: str
    origin: tuple[str, ...]
    pe: int
    simd: int
    bits: int
    busy: int
    starved: int
    blocked: int
    first: int
    last: int
    interval: int
    wraps: int
    overflows: int


@dataclass(frozen=True)
class EdgeReport:
    """One FIFO after a simulation.

    Attributes:
        source, target: names of its engines.
        lanes, bits: elements of a token, bits of an element.
        depth: its places.
        occupancy: the most of them taken at once.
    """

    source: str
    target: str
    lanes: int
    bits: int
    depth: int
    occupancy: int


@dataclass(frozen=True)
class Simulation:
    """What a simulated datapath gave.

    Cycles depend on the pipeline alone; they are worked out when first asked for.

    Attributes:
        output: int64 (N, H, W, C).
        tensors: every named tensor, int64 (N, H, W, C), where asked for.
        events: of each engine, by tensor: (wraps, overflows).
        simulator: what it ran on.
    """

    output: IntArray
    tensors: Mapping[str, IntArray]
    events: Mapping[str, tuple[int, int]]
    simulator: Simulator

    @property
    def timing(self) -> Timing:
        """Of the pipeline as a whole."""
        return self.simulator.timing

    @property
    def latency(self) -> int:
        """Cycles from the first token in to the last token out, for one image."""
        return self.timing.latency

    @property
    def interval(self) -> int:
        """Cycles between two images in steady state (initiation interval)."""
        return self.timing.interval

    @property
    def overflows(self) -> int:
        """Results that differ from exact arithmetic, over all engines."""
        return sum(overflows for _, overflows in self.events.values())

    def images_per_second(self, clock_hz: float) -> float:
        """Throughput at a clock."""
        return self.timing.images_per_second(clock_hz)

    @property
    def engines(self) -> tuple[EngineReport, ...]:
        """One report an engine, in the order of the stream."""
        reports = []
        engines = self.simulator.pipeline.engines
        for engine, timing in zip(engines, self.timing.engines, strict=True):
            wraps, overflows = self.events.get(engine.name, (0, 0))
            op = engine.op
            reports.append(
                EngineReport(
                    name=engine.name,
                    kind=engine.kind,
                    origin=() if op is None else op.origin,
                    pe=engine.out_lanes if op is None else engine.fold.pe,
                    simd=engine.fold.simd,
                    bits=engine.output.bits,
                    wraps=wraps,
                    overflows=overflows,
                    **vars(timing),
                )
            )
        return tuple(reports)

    @property
    def edges(self) -> tuple[EdgeReport, ...]:
        """One report a FIFO."""
        pipeline, timing = self.simulator.pipeline, self.timing
        return tuple(
            EdgeReport(
                pipeline.engines[edge.source].name,
                pipeline.engines[edge.target].name,
                edge.lanes,
                edge.bits,
                depth,
                occupancy,
            )
            for edge, depth, occupancy in zip(
                pipeline.edges, timing.depths, timing.occupancy, strict=True
            )
        )

    def rows(self, *, plumbing: bool = False) -> Iterator[dict[str, Any]]:
        """The table of cycles by engine, for printing; forks and converters only on demand."""
        for engine in self.engines:
            if plumbing or engine.kind not in ("source", "sink", "fork", "width"):
                row = {k: v for k, v in vars(engine).items() if k != "origin"}
                yield {**row, "node": ", ".join(engine.origin)}


class Simulator:
    """A program's datapath, compiled: build it once, run it on any number of batches.

    Args:
        program: a lowered program.
        folding: its parallelism; ``default_folding`` if None.
        depths: FIFO places by edge index, instead of automatic sizes.

    Raises:
        CompileError: the folding does not fit the program.
    """

    def __init__(
        self,
        program: Program,
        folding: Folding | None = None,
        *,
        depths: Mapping[int, int] | None = None,
    ) -> None:
        self.program = program
        self.folding = default_folding(program) if folding is None else folding
        self.pipeline: Pipeline = build_pipeline(program, self.folding)
        self.depths = depths
        self._engines = {e.name: e for e in self.pipeline.engines if e.op is not None}
        self._runs: dict[str, Run] = {n: e.prepare() for n, e in self._engines.items()}
        self._sizes = {name: storage(kind, name) for name, kind in self._types().items()}

    def _types(self) -> dict[str, IntType]:
        return {name: self.program.int_type(name) for name in self.program.types}

    @cached_property
    def timing(self) -> Timing:
        """Cycles; they do not depend on the images' values.

        Raises:
            CompileError: a deadlock, which needs depths of one's own.
        """
        return simulate_timing(self.pipeline, depths=self.depths)

    @property
    def chunk(self) -> int:
        """Samples that are computed together."""
        each = sum(
            kind.size * np.dtype(self._sizes[name]).itemsize for name, kind in self._types().items()
        )
        return max(1, CHUNK_BYTES // each)

    def run(
        self,
        x: NDArray[Any],
        *,
        dump: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Simulation:
        """Simulate a batch.

        Args:
            x: integers of the input's type, (N, H, W, C), any integer dtype.
            dump: keep every named tensor.
            progress: told how many samples more are done.

        Raises:
            InputError: wrong shape, dtype or range.
        """
        check_integers(self.program, x)
        counts = {name: np.zeros(2, np.int64) for name in self._engines}
        wanted = list(self.program.types) if dump else [self.program.output]
        kept = {name: np.empty((len(x), *self._types()[name].shape), np.int64) for name in wanted}
        for start in range(0, len(x), self.chunk):
            piece = x[start : start + self.chunk]
            for name, value in self._compute(piece, counts):
                if name in kept:
                    kept[name][start : start + len(piece)] = value
            if progress is not None:
                progress(len(piece))
        return Simulation(
            output=kept[self.program.output],
            tensors=kept if dump else {},
            simulator=self,
            events={name: (int(v[0]), int(v[1])) for name, v in counts.items()},
        )

    def _compute(
        self, x: NDArray[Any], counts: Mapping[str, IntArray]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every tensor of a piece in the order of the program."""
        source, ops = self.program.input, self.program.ops
        # a copy: kernels take no read-only memory
        values = {source: np.array(x, dtype=self._sizes[source], order="C")}
        yield source, values[source]
        last_use = {name: k for k, op in enumerate(ops) for name in op.inputs}
        for k, op in enumerate(ops):
            shape = (len(x), *self._types()[op.output].shape)
            if isinstance(op, Flatten):
                y = values[op.inputs[0]].reshape(shape)
            else:
                y = np.empty(shape, self._sizes[op.output])
                self._runs[op.output]([values[i] for i in op.inputs], y, counts[op.output])
            values[op.output] = y
            yield op.output, y
            for name in set(op.inputs):
                if last_use[name] == k:
                    del values[name]


def simulate(
    program: Program,
    x: NDArray[Any],
    folding: Folding | None = None,
    *,
    dump: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Simulation:
    """Simulate a program's datapath on integers; see ``Simulator``.

    Args:
        program: a lowered program.
        x: integers of the input's type, (N, H, W, C).
        folding: parallelism of the engines; ``default_folding`` if None.
        dump: keep every named tensor in ``tensors``.
        progress: told how many samples more are done.

    Raises:
        CompileError: the folding does not fit the program.
        InputError: the input has the wrong shape, dtype or range.
    """
    return Simulator(program, folding).run(x, dump=dump, progress=progress)
