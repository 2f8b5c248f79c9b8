"""The whole pipeline as one module with AXI-Stream ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from n2uqc.frontend.escape import c_fields, verilog_identifier
from n2uqc.passes.program import Interface

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
    With several inputs or outputs each has a stream, named by it: ``s_axis_image_tdata``.

    Attributes:
        pipeline: the engines and their edges.
        module: the hardware.
        fifos: by edge.
        units: by engine; none for sources and sinks.
        slaves, masters: names of the streams of the program's inputs and outputs, without what
            follows ``_tdata``.
    """

    pipeline: Pipeline
    module: Module
    fifos: tuple[Instance, ...]
    units: dict[int, Instance]
    slaves: tuple[str, ...]
    masters: tuple[str, ...]

    @property
    def in_bytes(self) -> tuple[int, ...]:
        """Bytes of a token of each input."""
        return tuple(self.module.inputs[f"{name}_tdata"].width // 8 for name in self.slaves)

    @property
    def out_bytes(self) -> tuple[int, ...]:
        """Bytes of a token of each output."""
        return tuple(self.module.outputs[f"{name}_tdata"].width // 8 for name in self.masters)


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
    slaves, masters = stream_names(pipeline.program.interface)
    sources = iter(slaves)
    sinks = dict(zip(pipeline.sinks, masters, strict=True))
    for k, engine in enumerate(engines):
        before = [f for f, e in zip(fifos, edges, strict=True) if e.target == k]
        behind = [f for f, e in zip(fifos, edges, strict=True) if e.source == k]
        if isinstance(engine, Source):
            _source(m, engine, behind, next(sources))
        elif isinstance(engine, Sink):
            _sink(m, engine, before[0], sinks.get(k))
        else:
            module = unit_of(engine, style(k))
            module.name = f"u_{names[k]}"
            units[k] = m.place(names[k], module)
            _connect(units[k], before, behind)
    return Datapath(pipeline, m, fifos, units, slaves, masters)


def _feed(fifos: list[Instance], reserve: Word, enter: Word, data: Word) -> None:
    for each in fifos:
        each.connect({"reserve": reserve, "enter": enter, "arriving": data})


def stream_names(face: Interface) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the streams of inputs and of outputs."""
    if face.is_single:
        return ("s_axis",), ("m_axis",)
    slaves, masters = (
        tuple(f"{prefix}_axis_{field}" for field in c_fields(port.name for port in ports))
        for prefix, ports in (("s", face.inputs), ("m", face.outputs))
    )
    return slaves, masters


def _source(m: Module, engine: Source, behind: list[Instance], name: str) -> None:
    bits = engine.lanes * engine.output.bits
    data, valid = m.input(f"{name}_tdata", -(-bits // 8) * 8), m.input(f"{name}_tvalid")
    ready = every(f.outputs["room"] for f in behind)
    m.output(f"{name}_tready", ready)
    gives = valid & ready
    _feed(behind, gives, gives, data[:bits])


def _sink(m: Module, engine: Sink, before: Instance, name: str | None) -> None:
    valid, data = before.outputs["valid"], before.outputs["data"]
    if name is None:
        before.connect({"take": valid})
        return
    left = Counter(m, engine.cycles, "left" if name == "m_axis" else f"{name}_left")
    takes = valid & m.input(f"{name}_tready")
    left.count(takes)
    before.connect({"take": takes})
    m.output(f"{name}_tdata", data.extended(-(-data.width // 8) * 8))
    m.output(f"{name}_tvalid", valid)
    m.output(f"{name}_tlast", left.last)


def _connect(unit: Instance, before: list[Instance], behind: list[Instance]) -> None:
    for k, each in enumerate(before):
        unit.connect({f"valid{k}": each.outputs["valid"], f"data{k}": each.outputs["data"]})
        each.connect({"take": unit.outputs[f"take{k}"]})
    unit.connect({"room": every(f.outputs["room"] for f in behind)})
    _feed(behind, *(unit.outputs[name] for name in ("reserve", "enter", "data")))


def module_names(pipeline: Pipeline) -> list[str]:
    """Return a Verilog name for every engine: its tensor's, with what Verilog does not allow
    replaced.
    """
    names: list[str] = []
    for engine in pipeline.engines:
        name = f"e_{verilog_identifier(engine.name)}"
        while name in names:
            name += "_"
        names.append(name)
    return names
