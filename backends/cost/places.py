"""The engine of every operation in a design, with its resources and the FIFOs in front of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..fpga.design import Design
from ..fpga.engines import Engine, Sink, WindowTiming
from ..fpga.hdl.terms import Cells
from ..fpga.resources import EngineCells


@dataclass(frozen=True)
class PlacedEngine:
    """The engine of one operation.

    Attributes:
        engine, form: what stands there, and how it is built.
        cells: what it takes.
        before: FIFOs, forks and width converters in front of it.
    """

    engine: Engine
    form: str
    cells: EngineCells
    before: Cells

    @property
    def pe(self) -> int:
        """Results side by side."""
        return self.engine.fold.pe

    @property
    def simd(self) -> int:
        """Operands of each a cycle."""
        return self.engine.fold.simd

    @property
    def cycles(self) -> int:
        """Busy cycles an image; (MH/PE)(MW/SIMD)V of a convolution, unless its input takes longer
        to arrive (FINN-R, Blott et al., TRETS 2018)."""
        return self.engine.cycles

    @property
    def buffer_elements(self) -> int:
        """Elements of its line buffer, 0 without one."""
        timing = self.engine.timing
        if not isinstance(timing, WindowTiming):
            return 0
        return timing.buffer_words * self.engine.in_lanes


def find_places(design: Design) -> dict[str, PlacedEngine]:
    """The place of every operation but flattening, by the tensor it defines.

    FIFOs, forks and converters count to the next engine of an operation after them, those before
    the end of the pipeline to the last one; so the places take what the design takes.
    """
    engines, edges = design.pipeline.engines, design.pipeline.edges
    last = max(k for k, engine in enumerate(engines) if engine.op is not None)

    def owner(index: int) -> int:
        while engines[index].op is None:
            if isinstance(engines[index], Sink):
                return last
            index = next(edge.target for edge in edges if edge.source == index)
        return index

    before = dict.fromkeys(range(len(engines)), Cells())
    for edge, cells in zip(edges, design.fifos, strict=True):
        before[owner(edge.target)] += cells
    for k, found in design.cells.items():
        if engines[k].op is None:
            before[owner(k)] += found.total
    return {
        engine.name: PlacedEngine(engine, design.forms[k], design.cells[k], before[k])
        for k, engine in enumerate(engines)
        if engine.op is not None
    }
