"""The whole pipeline as one module with AXI-Stream ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from n2uqc.frontend.escape import verilog_identifier

from ..engines import Sink, Source
from ..hdl.module import Counter, Instance, Module
from ..hdl.words import Word, every
from ..pipeline import Pipeline
from . import unit_of
from .plumbing import fifo
from .unit import Style

TOP = "n2uq_datapath"
"""Name of the whole pipeline's module."""


@dataclass(frozen=True)
class Datapath:
    """All engines and FIFOs of a pipeline.

    Tokens of an image come in and go out in the order of DATAPATH.md, the first element lowest, in
    whole bytes as AXI-Stream has it.  ``s_axis_tready`` does not depend on ``s_axis_tvalid``.

    Attributes:
        pipeline: the engines and their edges.
        module: the hardware.
        fifos: by edge.
        units: by engine; none for source and sinks.
        sink: index of the output's sink.
    """

    pipeline: Pipeline
    module: Module
    fifos: tuple[Instance, ...]
    units: dict[int, Instance]
    sink: int

    @property
    def in_bytes(self) -> int:
        """Of a token that comes in."""
        return self.module.inputs["s_axis_tdata"].width // 8

    @property
    def out_bytes(self) -> int:
        """Of a token that goes out."""
        return self.module.outputs["m_axis_tdata"].width // 8


def build_datapath(
    pipeline: Pipeline,
    depths: Sequence[int],
    style: Callable[[int], Style] = lambda index: Style(),
) -> Datapath:
    """Put the hardware of a pipeline together.

    Args:
        pipeline: the engines and their edges.
        depths: places of each edge's FIFO.
        style: how each engine is built, by its index.
    """
    m = Module(TOP)
    edges, engines = pipeline.edges, pipeline.engines
    fifos = tuple(
        m.place(f"fifo{k}", fifo(edge.lanes * edge.bits, depth))
        for k, (edge, depth) in enumerate(zip(edges, depths, strict=True))
    )
    names, units = module_names(pipeline), {}
    sink = next(
        k
        for k, e in enumerate(engines)
        if isinstance(e, Sink) and e.tensor == pipeline.program.output
    )
    for k, engine in enumerate(engines):
        before = [f for f, e in zip(fifos, edges, strict=True) if e.target == k]
        behind = [f for f, e in zip(fifos, edges, strict=True) if e.source == k]
        if isinstance(engine, Source):
            _source(m, engine, behind)
        elif isinstance(engine, Sink):
            _sink(m, engine, before[0], named=k == sink)
        else:
            module = unit_of(engine, style(k))
            module.name = f"u_{names[k]}"
            units[k] = m.place(names[k], module)
            _connect(units[k], before, behind)
    return Datapath(pipeline, m, fifos, units, sink)


def _feed(fifos: list[Instance], reserve: Word, enter: Word, data: Word) -> None:
    for each in fifos:
        each.connect({"reserve": reserve, "enter": enter, "arriving": data})


def _source(m: Module, engine: Source, behind: list[Instance]) -> None:
    bits = engine.lanes * engine.output.bits
    data, valid = m.input("s_axis_tdata", -(-bits // 8) * 8), m.input("s_axis_tvalid")
    ready = every(f.outputs["room"] for f in behind)
    m.output("s_axis_tready", ready)
    gives = valid & ready
    _feed(behind, gives, gives, data[:bits])


def _sink(m: Module, engine: Sink, before: Instance, *, named: bool) -> None:
    valid, data = before.outputs["valid"], before.outputs["data"]
    if not named:
        before.connect({"take": valid})
        return
    left = Counter(m, engine.cycles, "left")
    takes = valid & m.input("m_axis_tready")
    left.count(takes)
    before.connect({"take": takes})
    m.output("m_axis_tdata", data.extended(-(-data.width // 8) * 8))
    m.output("m_axis_tvalid", valid)
    m.output("m_axis_tlast", left.last)


def _connect(unit: Instance, before: list[Instance], behind: list[Instance]) -> None:
    for k, each in enumerate(before):
        unit.connect({f"valid{k}": each.outputs["valid"], f"data{k}": each.outputs["data"]})
        each.connect({"take": unit.outputs[f"take{k}"]})
    unit.connect({"room": every(f.outputs["room"] for f in behind)})
    _feed(behind, *(unit.outputs[name] for name in ("reserve", "enter", "data")))


def module_names(pipeline: Pipeline) -> list[str]:
    """A Verilog name for every engine: its tensor's, with what Verilog does not allow replaced."""
    names: list[str] = []
    for engine in pipeline.engines:
        name = f"e_{verilog_identifier(engine.name)}"
        while name in names:
            name += "_"
        names.append(name)
    return names
