"""Bit- and cycle-accurate simulation of a program's datapath."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import IntType, Program
from n2uqc.passes.program.boundary import check_integers
from n2uqc.passes.program.named import Batch, Named, Runner, by_name, samples

from .design import Design
from .engines.engine import Run
from .folding import Folding, default_folding
from .pipeline import Pipeline, build_pipeline
from .timing import Timing, simulate_timing
from .widths import storage

IntArray = NDArray[np.int64]

CHUNK_BYTES = 1 << 22
"""Approximate bytes of all tensors of a chunk of a batch: the size of a small cache."""


@dataclass(frozen=True)
class EngineReport:
    """The results of a simulation for one engine; cycles are per image.

    Attributes:
        name: the tensor it computes, or the name of a stream unit.
        kind: the kind of engine.
        origin: the ONNX nodes that it implements.
        pe, simd: its folding (for stream units, pe is the number of lanes).
        bits: width of its registers and outputs.
        busy: cycles of work.
        starved, blocked: cycles waited for inputs and for room in the output FIFO, in steady state.
        first, last: cycles in which it begins and ends the first image.
        interval: cycles between the ends of two images.
        wraps: additions whose intermediate result did not fit the accumulator (harmless by itself).
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
    """The results of a simulation for one FIFO.

    Attributes:
        source, target: names of the engines at its ends.
        lanes, bits: elements of a token, bits of an element.
        depth: number of places.
        occupancy: the most places taken at once.
    """

    source: str
    target: str
    lanes: int
    bits: int
    depth: int
    occupancy: int


@dataclass(frozen=True, repr=False)
class Simulation:
    """The results of simulating a datapath.

    Cycles depend only on the pipeline; they are computed when they are first read.

    Attributes:
        outputs: the outputs by name, int64 (N, H, W, C).
        tensors: every named tensor, int64 (N, H, W, C), if requested.
        events: (wraps, overflows) of each engine, by tensor.
        simulator: the simulator that computed it.
    """

    outputs: Mapping[str, IntArray]
    tensors: Mapping[str, IntArray]
    events: Mapping[str, tuple[int, int]]
    simulator: Simulator

    def __repr__(self) -> str:
        return f"<Simulation of {samples(self.outputs)} samples, {self.overflows} overflows>"

    @property
    def output(self) -> IntArray:
        """The only output, int64 (N, H, W, C).

        Raises:
            CompileError: there are several.
        """
        return self.outputs[self.simulator.program.interface.output.name]

    @property
    def timing(self) -> Timing:
        """Timing of the whole pipeline."""
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
        """Return the throughput at a clock in Hz."""
        return self.timing.images_per_second(clock_hz)

    @property
    def engines(self) -> tuple[EngineReport, ...]:
        """Reports of the engines, in stream order."""
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
        """Reports of the FIFOs."""
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
        """Yield the rows of a table of cycles by engine;
        ``plumbing`` includes forks and converters.
        """
        for engine in self.engines:
            if plumbing or engine.kind not in ("source", "sink", "fork", "width"):
                row = {k: v for k, v in vars(engine).items() if k != "origin"}
                yield {**row, "node": ", ".join(engine.origin)}


class Simulator:
    """The compiled simulation of a program's datapath, for any number of batches.

    Args:
        program: a lowered program, or the design of its datapath.
        folding: its parallelism; ``default_folding`` if None; not beside a design.
        depths: FIFO places by edge index, instead of automatic sizes.

    Raises:
        CompileError: the folding does not fit the program.
    """

    def __init__(
        self,
        program: Program | Design,
        folding: Folding | None = None,
        *,
        depths: Mapping[int, int] | None = None,
    ) -> None:
        if isinstance(program, Design):
            self.program, self.folding = program.program, program.folding
            self.pipeline: Pipeline = program.pipeline
        else:
            self.program = program
            self.folding = default_folding(program) if folding is None else folding
            self.pipeline = build_pipeline(program, self.folding)
        self.depths = depths
        self._engines = {e.name: e for e in self.pipeline.engines if e.op is not None}
        self._runs: dict[str, Run] = {n: e.prepare() for n, e in self._engines.items()}
        self._sizes = {name: storage(t, name) for name, t in self._types().items()}

    def _types(self) -> dict[str, IntType]:
        return {name: self.program.int_type(name) for name in self.program.types}

    @cached_property
    def timing(self) -> Timing:
        """The cycles, which do not depend on the images.

        Raises:
            CompileError: a deadlock, which only given depths can cause.
        """
        return simulate_timing(self.pipeline, depths=self.depths)

    @property
    def chunk(self) -> int:
        """Samples that are computed together."""
        each = sum(
            t.size * np.dtype(self._sizes[name]).itemsize for name, t in self._types().items()
        )
        return max(1, CHUNK_BYTES // each)

    def run(
        self,
        x: Batch,
        *,
        dump: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Simulation:
        """Simulate a batch.

        Args:
            x: integers of each input's type by name, (N, H, W, C), any integer dtype; a bare array
                for the only input.
            dump: keep every named tensor.
            progress: called with the number of samples completed since the last call.

        Raises:
            InputError: an input is missing or too much, or of a wrong shape, dtype or range.
        """
        given = by_name(self.program.interface.inputs, x)
        check_integers(self.program, given)
        count = samples(given)
        counts = {name: np.zeros(2, np.int64) for name in self._engines}
        wanted = list(self.program.types if dump else dict.fromkeys(self.program.outputs))
        kept = {name: np.empty((count, *self._types()[name].shape), np.int64) for name in wanted}
        for start in range(0, count, self.chunk):
            part = slice(start, min(start + self.chunk, count))
            for name, value in self._compute({n: v[part] for n, v in given.items()}, counts):
                if name in kept:
                    kept[name][part] = value
            if progress is not None:
                progress(part.stop - start)
        ports = self.program.interface.outputs
        return Simulation(
            outputs={p.name: kept[n] for p, n in zip(ports, self.program.outputs, strict=True)},
            tensors=kept if dump else {},
            simulator=self,
            events={name: (int(v[0]), int(v[1])) for name, v in counts.items()},
        )

    def runner(self) -> Runner:
        """Return the simulation as a function from inputs to outputs."""
        return Runner(self.program.interface, lambda x: self.run(x).outputs)

    def _compute(
        self, x: Named, counts: Mapping[str, IntArray]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every tensor of a chunk, in program order."""
        ops, count = self.program.ops, samples(x)
        # copies, because kernels accept no read-only memory
        values: dict[str, NDArray[Any]] = {
            name: np.array(given, dtype=self._sizes[name], order="C")
            for name, given in zip(self.program.inputs, x.values(), strict=True)
        }
        yield from tuple(values.items())
        last_use = {name: k for k, op in enumerate(ops) for name in op.inputs}
        for k, op in enumerate(ops):
            shape = (count, *self._types()[op.output].shape)
            if op.in_place(self.program.types, self.program.constants):
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
    x: Batch,
    folding: Folding | None = None,
    *,
    dump: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Simulation:
    """Simulate a program's datapath on integers; see ``Simulator``.

    Args:
        program: a lowered program.
        x: integers of each input's type by name, (N, H, W, C); a bare array for the only input.
        folding: parallelism of the engines; ``default_folding`` if None.
        dump: keep every named tensor in ``tensors``.
        progress: called with the number of samples completed since the last call.

    Raises:
        CompileError: the folding does not fit the program.
        InputError: the input has the wrong shape, dtype or range.
    """
    return Simulator(program, folding).run(x, dump=dump, progress=progress)
