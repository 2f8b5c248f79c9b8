"""What each engine of a datapath takes at each folding, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from n2uqc.passes.program import Concat, Conv, Lookup, Op, Program, Thresholds

from ..cost.counts import LayerCounts, count_conv, count_elementwise, count_thresholds
from ..cost.layer import layer_cost
from ..cost.quantizers import BY_ID
from ..cost.sites import Site
from ..cost.technology import Basis, Technology
from ..cost.units.resources import Memory, Resources, place, total
from ..fpga.engines import Engine, Fold, Window
from ..fpga.folding import Folding, engines_of
from ..fpga.pipeline import Pipeline

LUTRAM_DEPTH = 32
"""Words of one bit that a LUT of a dual-ported memory stores."""


@dataclass(frozen=True)
class Choice:
    """An engine at one folding.

    Attributes:
        fold: the folding.
        cycles: busy cycles an image.
        resources: what it takes.
    """

    fold: Fold
    cycles: int
    resources: Resources


def choices(engine: Engine, program: Program, technology: Technology) -> list[Choice]:
    """Every legal folding of an engine with its cost."""
    counts = _counts(engine, program)
    return [
        _choice(engine, counts, technology, Fold(pe, simd))
        for simd in engine.simd_options for pe in engine.pe_options
    ]


def choice(engine: Engine, program: Program, technology: Technology, fold: Fold) -> Choice:
    """An engine with its cost at one folding."""
    return _choice(engine, _counts(engine, program), technology, fold)


def _choice(
    engine: Engine, counts: LayerCounts | None, technology: Technology, fold: Fold
) -> Choice:
    folded = engine.folded(fold)
    timing, held = folded.timing, 0
    if isinstance(timing, Window):
        held = timing.rows * timing.kept[1] * engine.inputs[0].shape[2]
    site = Site(engine.kind, fold.pe, fold.simd, timing.cycles, held)
    cost = _cost(engine, counts, site, technology)
    if isinstance(timing, Window) and fold.simd > engine.tap_lanes:
        # every place that is read at once has a copy of the buffer
        copies = fold.simd // engine.tap_lanes
        width = folded.in_lanes * engine.inputs[0].bits
        cost += place(Memory(width, timing.buffer_words), technology) * (copies - 1)
    return Choice(fold, timing.cycles, cost)


def _counts(engine: Engine, program: Program) -> LayerCounts | None:
    op: Op | None = engine.op
    assert op is not None
    if isinstance(op, Conv):
        return LayerCounts(op.output, op.origin, count_conv(program, op), (), ())
    if isinstance(op, Thresholds):
        return LayerCounts(op.output, op.origin, None, (count_thresholds(program, op),), ())
    if isinstance(op, Lookup | Concat):
        return None
    return LayerCounts(op.output, op.origin, None, (), (count_elementwise(program, op),))


def _cost(
    engine: Engine, counts: LayerCounts | None, site: Site, technology: Technology
) -> Resources:
    if counts is not None:
        cost = layer_cost(counts, BY_ID["n2uq"], {counts.name: site}, technology)
        return cost.resources
    op: Any = engine.op
    bits = engine.output.bits
    if isinstance(op, Lookup):
        memory = Memory(bits, len(engine.values(op.table)))
        return (place(memory, technology) + Resources(ff=bits, basis=Basis.MODEL)) * site.pe
    return Resources(lut=bits * site.pe, basis=Basis.MODEL)


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


def estimates(
    program: Program, folding: Folding, technology: Technology
) -> dict[str, Resources]:
    """What each engine of a folded datapath takes, by the closed formulas."""
    folding.check(program)
    found = {}
    for engine in engines_of(program):
        fold = folding.engines[engine.name]
        found[engine.name] = choice(engine, program, technology, fold).resources
    return found
