"""Estimated resources of each engine at each folding,
and of the FIFOs and converters between them.
"""

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
"""One-bit words that a LUT stores in a dual-port memory."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine at one folding, with its cost.

    Attributes:
        fold: the folding.
        form: the implementation, one of the engine's forms.
        cycles: busy cycles per image.
        resources: estimated resources.
    """

    fold: Fold
    form: str
    cycles: int
    resources: Resources


def choices(engine: Engine, technology: Technology) -> list[EngineChoice]:
    """Return every legal folding of an engine with its cost."""
    return [
        choice(engine, technology, Fold(pe, simd))
        for simd in engine.simd_options
        for pe in engine.pe_options
    ]


def choice(engine: Engine, technology: Technology, fold: Fold) -> EngineChoice:
    """Return the cost of an engine at one folding, in its cheaper form."""
    folded = engine.folded(fold)
    form = best_form(folded, technology.area)
    resources = area(folded, form, technology.area)
    basis = Basis.FIT if technology.id == technology.area else Basis.EXTRAPOLATED
    return EngineChoice(
        fold,
        form,
        folded.cycles,
        Resources(resources.lut, resources.ff, resources.dsp, resources.bram18, basis=basis),
    )


def fifo_resources(width: int, depth: int, technology: Technology) -> Resources:
    """Return the resources of a FIFO (a model): memory, two pointers, two counters."""
    counter = depth.bit_length()
    logic = Resources(lut=4 * counter, ff=4 * counter, basis=Basis.MODEL)
    if depth <= LUTRAM_DEPTH:
        return logic + Resources(lut=width, ff=width, basis=Basis.MODEL)
    return logic + place(Memory(width, depth), technology)


def plumbing(pipeline: Pipeline, depths: tuple[int, ...], technology: Technology) -> Resources:
    """Return the resources of FIFOs and width converters (a
    register of a wide token, a multiplexer).
    """
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
    """Return the resources of each engine of a folded datapath, by the area formulas."""
    folding.check(program)
    resources = {}
    for engine in engines_of(program):
        fold = folding.engines[engine.name]
        resources[engine.name] = choice(engine, technology, fold).resources
    return resources
