"""The comparison of all alternatives, layer by layer, for one program and one folding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from ..fpga.folding import Folding
from .assumptions import Assumption, assumptions
from .counts import LayerCounts, count_layers
from .layer import LayerCost, layer_cost
from .quantizers import ALTERNATIVES, Alternative
from .sites import Lanes, Site, find_sites
from .technology import TECHNOLOGIES, Basis, Technology


@dataclass(frozen=True)
class LayerComparison:
    """The cost of one layer under every alternative.

    Attributes:
        counts: the operators of the layer.
        site: engine of its convolution; None for the operations before the first one.
        cycles: busy cycles per image of its slowest engine.
        costs: by the id of the alternative.
    """

    counts: LayerCounts
    site: Site | None
    cycles: int
    costs: Mapping[str, LayerCost]

    @property
    def title(self) -> str:
        """The ONNX node's name, else the tensor's."""
        return self.counts.origin[0] if self.counts.origin else self.counts.name


@dataclass(frozen=True)
class Comparison:
    """The cost of a whole model under every alternative.

    Attributes:
        model: name shown.
        technology: the family.
        alternatives: the alternatives, in order.
        layers: in order of execution.
        totals: sums over the layers, by the id of the alternative.
        assumptions: the assumptions of the figures.
    """

    model: str
    technology: Technology
    alternatives: tuple[Alternative, ...]
    layers: tuple[LayerComparison, ...]
    totals: Mapping[str, LayerCost]
    assumptions: tuple[Assumption, ...]

    @property
    def interval(self) -> int:
        """Cycles between images when all layers work in parallel: those of the slowest layer."""
        return max((layer.cycles for layer in self.layers), default=0)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image."""
        return sum(layer.counts.mac.macs for layer in self.layers if layer.counts.mac)

    @property
    def low_bit_macs(self) -> int:
        """Multiply-accumulates per image in low-bit layers,
        where the MACs of the alternatives differ.
        """
        macs = [layer.counts.mac for layer in self.layers]
        return sum(m.macs for m in macs if m and m.low_bit)

    @property
    def basis(self) -> Basis:
        """The least reliable basis of any figure."""
        return max((cost.resources.basis for cost in self.totals.values()), default=Basis.MODEL)


def compare(
    program: Program,
    folding: Folding | Mapping[str, Lanes] | None = None,
    *,
    technology: Technology | str = "xc7",
    name: str | None = None,
    target_cycles: int | None = None,
) -> Comparison:
    """Return the cost of a lowered program under every alternative of ``quantizers.ALTERNATIVES``.

    Args:
        program: the integer program.
        folding: a folding of the datapath, or (PE, SIMD) of some engines by output name, with the
            default for the others; by default that of the datapath simulator.
        technology: ``xc7``, ``ecp5``, or a Technology.
        name: model name shown, by default the program's.
        target_cycles: target of busy cycles per image, for the default folding.

    Raises:
        CompileError: the folding does not fit the program, the technology is unknown, or no folding
            reaches the target.
    """
    family = find_technology(technology)
    sites = find_sites(program, folding, target_cycles)
    layers = []
    for counts in count_layers(program):
        members = [p.name for p in (counts.mac, *counts.quantizers, *counts.others) if p]
        layers.append(
            LayerComparison(
                counts,
                sites[counts.mac.name] if counts.mac else None,
                max((sites[m].cycles for m in members), default=0),
                {a.id: layer_cost(counts, a, sites, family) for a in ALTERNATIVES},
            )
        )
    totals = {a.id: sum((layer.costs[a.id] for layer in layers), LayerCost()) for a in ALTERNATIVES}
    return Comparison(
        name or program.name, family, ALTERNATIVES, tuple(layers), totals, assumptions(family)
    )


def find_technology(technology: Technology | str) -> Technology:
    """Return a technology by name.

    Raises:
        CompileError: the name is not known.
    """
    if isinstance(technology, Technology):
        return technology
    if technology not in TECHNOLOGIES:
        raise CompileError(
            Problem("--technology", "", technology, ", ".join(TECHNOLOGIES), "choose one of these")
        )
    return TECHNOLOGIES[technology]
