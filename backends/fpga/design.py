"""A datapath that is planned: program, folding, forms, family, clock, and what follows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import plain
from n2uqc.passes.program import Program

from .engines import Engine
from .fitting import fitting_folding
from .folding import Folding
from .hdl.families import FAMILIES, Family
from .hdl.terms import Cells
from .pipeline import Pipeline, build_pipeline
from .resources import EngineCells, best_form, fifo_resources, resources
from .timing import MachineNetwork, Timing, simulate_timing
from .units import Style

CLOCK_HZ = 100e6
"""The clock unless told otherwise: an assumption, no promise."""


@dataclass(frozen=True, repr=False)
class Design:
    """Everything about a datapath, decided once; ``plan`` makes it.

    Simulation, RTL, search, cost and report take it, so they cannot differ.

    Attributes:
        program, folding: what is computed, at which parallelism.
        family: FPGA family whose cells are counted.
        clock_hz: the clock that the hardware is meant to reach (not checked).
        pipeline: engines and FIFOs.
        forms: how each engine is built, by index in the pipeline.
    """

    program: Program
    folding: Folding
    family: Family
    clock_hz: float
    pipeline: Pipeline
    forms: Mapping[int, str]

    def __repr__(self) -> str:
        return (
            f"<Design of {plain(self.program.name)}: {len(self.engines)} engines on "
            f"{self.family.id}, {self.interval:,} cycles an image>"
        )

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Engines of operations by the tensor that they define, in the order of the stream."""
        return {e.name: e for e in self.pipeline.engines if e.op is not None}

    def form(self, name: str) -> str:
        """Return how the engine of a tensor is built."""
        index = next(k for k, e in enumerate(self.pipeline.engines) if e.op and e.name == name)
        return self.forms[index]

    def style(self, index: int) -> Style:
        """Return what makes the RTL of an engine."""
        return Style(self.forms.get(index, ""), self.family)

    @cached_property
    def network(self) -> MachineNetwork:
        """The state machines of the pipeline."""
        return MachineNetwork(self.pipeline)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Places of each FIFO, in the order of the pipeline's edges."""
        return tuple(self.network.sizes)

    @cached_property
    def timing(self) -> Timing:
        """Cycles, by the cycle-accurate simulation."""
        return simulate_timing(self.pipeline)

    @property
    def interval(self) -> int:
        """Cycles between two images: the slowest engine's."""
        return self.network.bottleneck

    @property
    def images_per_second(self) -> float:
        """Rate at the clock."""
        return self.clock_hz / self.interval

    @cached_property
    def cells(self) -> Mapping[int, EngineCells]:
        """What each engine takes, by index in the pipeline; sources and sinks take nothing."""
        return {
            k: resources(self.pipeline.engines[k], form, self.family.id)
            for k, form in self.forms.items()
        }

    @cached_property
    def fifos(self) -> tuple[Cells, ...]:
        """What each FIFO takes, in the order of the pipeline's edges."""
        return tuple(
            fifo_resources(edge.lanes * edge.bits, depth, self.family.id)
            for edge, depth in zip(self.pipeline.edges, self.depths, strict=True)
        )

    @cached_property
    def plumbing(self) -> Cells:
        """FIFOs, forks and width converters."""
        between = [c.total for k, c in self.cells.items() if self.pipeline.engines[k].op is None]
        return sum([*self.fifos, *between], Cells())

    @cached_property
    def resources(self) -> Cells:
        """Everything together."""
        engines = [c.total for k, c in self.cells.items() if self.pipeline.engines[k].op]
        return sum(engines, self.plumbing)


def find_family(name: Family | str) -> Family:
    """Return a family by its short name.

    Raises:
        CompileError: the name is not known.
    """
    if isinstance(name, Family):
        return name
    if name not in FAMILIES:
        raise CompileError(
            Problem("--technology", "", name, ", ".join(FAMILIES), "choose one of these")
        )
    return FAMILIES[name]


def plan(
    program: Program,
    folding: Folding | None = None,
    *,
    family: Family | str = "xc7",
    clock_hz: float = CLOCK_HZ,
    engines: Mapping[str, Engine] | None = None,
) -> Design:
    """Decide everything about the datapath of a lowered program.

    Args:
        program: a lowered program.
        folding: parallelism of the engines; ``fitting_folding`` if None.
        family: for which each engine takes the form that is smaller, where the folding names none.
        clock_hz: the clock that the hardware is meant to reach.
        engines: of the program by tensor, if they are at hand: what was counted is not anew.

    Raises:
        CompileError: the folding does not fit the program, or the family is not known.
    """
    device = find_family(family)
    chosen = fitting_folding(program, engines) if folding is None else folding
    pipeline = build_pipeline(program, chosen, engines)
    forms = {
        k: chosen.forms.get(engine.name) or best_form(engine, device.id)
        for k, engine in enumerate(pipeline.engines)
        if engine.kind not in ("source", "sink")
    }
    return Design(program, chosen, device, clock_hz, pipeline, forms)
