"""What each engine of a datapath takes at each folding, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass

from n2uqc.passes.program import Program

from ..cost.technology import Basis, Technology
from ..cost.units.resources import Memory, Resources, place, total
from ..fpga.area import area, best_form
from ..fpga.engines import Engine, Fold
from ..fpga.folding import Folding, engines_of
from ..fpga.pipeline import Pipeline

LUTRAM_DEPTH = 32
"""Words of one bit that a LUT of a dual-ported memory stores."""


@dataclass(frozen=True)
class Choice:
    """An engine at one folding.

    Attributes:
        fold: the folding.
        form: of the engine's.
        cycles: busy cycles an image.
        resources: what it takes.
    """

    fold: Fold
    form: str
    cycles: int
    resources: Resources


def choices(engine: Engine, technology: Technology) -> list[Choice]:
    """Every legal folding of an engine with its cost."""
    return [
        choice(engine, technology, Fold(pe, simd))
        for simd in engine.simd_options
        for pe in engine.pe_options
    ]


def choice(engine: Engine, technology: Technology, fold: Fold) -> Choice:
    """An engine with its cost at one folding, in the form that takes less."""
    folded = engine.folded(fold)
    form = best_form(folded, technology.area)
    found = area(folded, form, technology.area)
    basis = Basis.FIT if technology.id == technology.area else Basis.EXTRAPOLATED
    return Choice(
        fold,
        form,
        folded.cycles,
        Resources(found.lut, found.ff, found.dsp, found.bram18, basis=basis),
    )


def fifo_resources(width: int, depth: int, technology: Technology) -> Resources:
    """A FIFO: memory, two pointers, two counts (model)."""
    counter = depth.bit_length()
    logic = Resources(lut=4 * counter, ff=4 * counter, basis=Basis.MODEL)
    if depth <= LUTRAM_DEPTH:
        return logic + Resources(lut=width, ff=width, basis=Basis.MODEL)
    return logic + place(Memory(width, depth), technology)


def plumbing(pipeline: Pipeline, depths: tuple[int, ...], technology: Technology) -> Resources:
    """FIFOs, and width converters: a register of the wide token, a multiplexer."""
    parts = [
        fifo_resources(edge.lanes * edge.bits, depth, technology)
        for edge, depth in zip(pipeline.edges, depths, strict=True)
    ]
    for engine in pipeline.engines:
        if engine.kind == "width":
            wide = max(engine.in_lanes, engine.out_lanes) * engine.output.bits
            narrow = min(engine.in_lanes, engine.out_lanes) * engine.output.bits
            cut = engine.in_lanes > engine.out_lanes
            parts.append(Resources(wide if cut else 0, wide - narrow, basis=Basis.MODEL))
    return total(parts)


def estimates(program: Program, folding: Folding, technology: Technology) -> dict[str, Resources]:
    """What each engine of a folded datapath takes, by the closed formulas."""
    folding.check(program)
    found = {}
    for engine in engines_of(program):
        fold = folding.engines[engine.name]
        found[engine.name] = choice(engine, technology, fold).resources
    return found
