"""The whole pipeline as one hardware module with AXI-Stream ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Const, Elaboratable, Module, Signal

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import verilog_identifier

from ..engines import Engine, Sink, Source
from ..pipeline import Pipeline
from .elementwise import ClampUnit, LookupUnit, PReluUnit, Requantizer, StreamAdder
from .global_pool import GlobalPool
from .parts import Counter, Unit
from .stream import Converter, Fifo, Fork, Joiner
from .threshold import ThresholdUnit
from .window import WindowUnit

UNITS: dict[str, type[Unit]] = {
    "matrix-vector": WindowUnit,
    "depthwise": WindowUnit,
    "pool": WindowUnit,
    "global pool": GlobalPool,
    "threshold": ThresholdUnit,
    "requantize": Requantizer,
    "prelu": PReluUnit,
    "clamp": ClampUnit,
    "add": StreamAdder,
    "lookup": LookupUnit,
    "concat": Joiner,
    "fork": Fork,
    "width": Converter,
}
"""Hardware by the kind of engine."""


def unit_of(engine: Engine, form: str = "", lut: int = 6) -> Unit:
    """The hardware of an engine.

    Args:
        engine: folded.
        form: one of ``engine.forms``, the first one by default.
        lut: inputs of the device's LUTs.

    Raises:
        CompileError: no hardware exists for it.
    """
    unit = UNITS.get(engine.kind)
    if unit is None:
        raise CompileError(
            Problem(
                node=engine.name,
                op=engine.kind,
                found="an engine without hardware",
                supported=", ".join(UNITS),
            )
        )
    return unit(engine, form, lut)


class Datapath(Elaboratable):
    """All engines and FIFOs of a pipeline.

    Tokens of an image come in and go out in the order of DATAPATH.md, the first element lowest, in
    whole bytes as AXI-Stream has it.  ``tready`` does not depend on ``tvalid``.

    Args:
        pipeline: the engines and their edges.
        depths: places of each edge's FIFO.
        form: which of its forms an engine is built in; the first one by default.
        lut: inputs of the device's LUTs.
        shared: processing elements are instances of modules of their own (for Verilog).

    Attributes:
        fifos: by edge.
        units: by engine; none for source and sinks.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        depths: Sequence[int],
        *,
        form: Callable[[Engine], str] = lambda engine: "",
        lut: int = 6,
        shared: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.fifos = [
            Fifo(edge.lanes * edge.bits, depth)
            for edge, depth in zip(pipeline.edges, depths, strict=True)
        ]
        self.units: dict[int, Unit] = {
            k: unit_of(engine, form(engine), lut)
            for k, engine in enumerate(pipeline.engines)
            if not isinstance(engine, Source | Sink)
        }
        for unit in self.units.values():
            if isinstance(unit, WindowUnit):
                unit.shared = shared
        source = next(e for e in pipeline.engines if isinstance(e, Source))
        self.source_bits = source.lanes * source.output.bits
        self.sink = next(
            k
            for k, e in enumerate(pipeline.engines)
            if isinstance(e, Sink) and e.tensor == pipeline.program.output
        )
        sink = pipeline.engines[self.sink]
        self.sink_bits = sink.in_lanes * sink.output.bits
        self.in_data = Signal(-(-self.source_bits // 8) * 8, name="s_axis_tdata")
        self.in_valid, self.in_ready = Signal(name="s_axis_tvalid"), Signal(name="s_axis_tready")
        self.out_data = Signal(-(-self.sink_bits // 8) * 8, name="m_axis_tdata")
        self.out_valid, self.out_ready = Signal(name="m_axis_tvalid"), Signal(name="m_axis_tready")
        self.out_last = Signal(name="m_axis_tlast")

    @property
    def ports(self) -> list[Signal]:
        """The AXI-Stream ports."""
        return [
            self.in_data,
            self.in_valid,
            self.in_ready,
            self.out_data,
            self.out_valid,
            self.out_ready,
            self.out_last,
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        names = module_names(self.pipeline)
        for k, fifo in enumerate(self.fifos):
            m.submodules[f"fifo{k}"] = fifo
        for k, engine in enumerate(self.pipeline.engines):
            before = [
                f for f, e in zip(self.fifos, self.pipeline.edges, strict=True) if e.target == k
            ]
            behind = [
                f for f, e in zip(self.fifos, self.pipeline.edges, strict=True) if e.source == k
            ]
            if isinstance(engine, Source):
                self._source(m, behind)
            elif isinstance(engine, Sink):
                self._sink(m, before[0], named=k == self.sink, tokens=engine.cycles)
            else:
                m.submodules[names[k]] = self.units[k]
                self._connect(m, self.units[k], before, behind)
        return m

    def _source(self, m: Module, behind: list[Fifo]) -> None:
        gives = self.in_valid & self.in_ready
        m.d.comb += self.in_ready.eq(_all(f.room for f in behind))
        for fifo in behind:
            m.d.comb += [fifo.reserve.eq(gives), fifo.enter.eq(gives), fifo.data.eq(self.in_data)]

    def _sink(self, m: Module, before: Fifo, *, named: bool, tokens: int) -> None:
        if not named:
            m.d.comb += before.out.take.eq(before.out.valid)
            return
        left = Counter(tokens, "left")
        takes = before.out.valid & self.out_ready
        left.count(m, takes)
        m.d.comb += [
            before.out.take.eq(takes),
            self.out_valid.eq(before.out.valid),
            self.out_data.eq(before.out.data),
            self.out_last.eq(left.last),
        ]

    def _connect(self, m: Module, unit: Unit, before: list[Fifo], behind: list[Fifo]) -> None:
        for feed, fifo in zip(unit.feeds, before, strict=True):
            m.d.comb += [
                feed.valid.eq(fifo.out.valid),
                feed.data.eq(fifo.out.data),
                fifo.out.take.eq(feed.take),
            ]
        m.d.comb += unit.room.eq(_all(f.room for f in behind))
        for fifo in behind:
            m.d.comb += [
                fifo.reserve.eq(unit.reserve),
                fifo.enter.eq(unit.enter),
                fifo.data.eq(unit.data),
            ]


def _all(values: Any) -> Any:
    both: Any = Const(1, 1)
    for value in values:
        both = both & value
    return both


def module_names(pipeline: Pipeline) -> list[str]:
    """A Verilog name for every engine: its tensor's, with what Verilog does not allow replaced."""
    names: list[str] = []
    for engine in pipeline.engines:
        name = f"e_{verilog_identifier(engine.name)}"
        while name in names:
            name += "_"
        names.append(name)
    return names
