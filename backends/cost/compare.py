"""The comparison of all alternatives, layer by layer, for one program and one folding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from n2uqc.frontend.escape import plain
from n2uqc.passes.program import Program

from ..fpga.design import Design, plan
from ..fpga.engines import Fold
from ..fpga.fitting import chosen_folding
from ..fpga.folding import Folding
from ..fpga.hdl.families import Family
from ..search.devices import FpgaDevice
from .assumptions import Assumption, assumptions
from .cheapest import Cheapest, cheapest, usual_device
from .counting import count_layers
from .counts import LayerCounts
from .figures import design_figures
from .layer import LayerCost, layer_cost
from .places import PlacedEngine, find_places
from .quantizers import ALTERNATIVES, DRESSES, OWN, Alternative

Lanes = tuple[int, int]
"""(PE, SIMD)"""


@dataclass(frozen=True)
class LayerComparison:
    """The cost of one layer under every alternative.

    Attributes:
        counts: what the program computes there.
        place: of its convolution; None for what stands before the first.
        cycles: an image, of the slowest engine in it.
        costs: by the alternative's id.
    """

    counts: LayerCounts
    place: PlacedEngine | None
    cycles: int
    costs: Mapping[str, LayerCost]

    @property
    def title(self) -> str:
        """The ONNX node's name, else the tensor's."""
        return self.counts.origin[0] if self.counts.origin else self.counts.name


@dataclass(frozen=True, repr=False)
class Comparison:
    """The cost of a whole model under every alternative.

    Attributes:
        model: name shown.
        design: the datapath that the program itself gets.
        alternatives: what is compared, in order.
        layers: in order of execution.
        totals: sums over the layers, by the id of the alternative.
        assumptions: the assumptions of the figures.
        cheapest: form of each dress, on the device.
        shown: ids of the alternatives that reports show.
    """

    model: str
    design: Design
    alternatives: tuple[Alternative, ...]
    layers: tuple[LayerComparison, ...]
    totals: Mapping[str, LayerCost]
    assumptions: tuple[Assumption, ...]
    cheapest: Mapping[str, Cheapest]
    shown: tuple[str, ...]

    def __repr__(self) -> str:
        ways = len(self.alternatives)
        return f"<Comparison of {plain(self.model)}: {len(self.layers)} layers, {ways} ways>"

    @property
    def itself(self) -> str:
        """The id of the alternative that is the program as compiled."""
        return self.alternatives[0].id

    @property
    def technology(self) -> Family:
        """The family whose cells are counted."""
        return self.design.family

    @property
    def own(self) -> dict[str, int]:
        """What the design takes, as `compile --target fpga` says it."""
        return design_figures(self.design)

    def low_bit(self, alternative: str, resource: str = "lut") -> int:
        """Return what the low-bit multiplications take of a resource."""
        layers = (x for x in self.layers if x.counts.mac and x.counts.mac.low_bit)
        return sum(getattr(layer.costs[alternative].mac, resource) for layer in layers)

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


def compare(
    program: Program | Design,
    folding: Folding | Mapping[str, Lanes] | None = None,
    *,
    technology: Family | str = "xc7",
    name: str | None = None,
    target_cycles: int | None = None,
    dresses: Sequence[str] = (),
    device: FpgaDevice | None = None,
) -> Comparison:
    """Return the cost of a lowered program under every alternative of ``quantizers.ALTERNATIVES``.

    Where its levels are uneven, the program itself is one more alternative, the first.

    Args:
        program: the integer program, or the design of its datapath, which settles all but ``name``.
        folding: of the datapath; or (PE, SIMD) by output name of some engines, the others by
            default; by default that of the datapath simulator.
        technology: the FPGA family.
        name: model name shown, by default the program's.
        target_cycles: target of busy cycles per image, for the default folding.
        dresses: which of ``quantizers.DRESSES`` reports show; all if empty.
        device: on which the cheapest form of each dress is named; the family's usual one if None.

    Raises:
        CompileError: the folding does not fit the program, the technology is unknown, or no folding
            reaches the target.
    """
    design = program
    if not isinstance(design, Design):
        if not isinstance(folding, Folding):
            given = {name: Fold(*lanes) for name, lanes in (folding or {}).items()}
            default = chosen_folding(design, target_cycles)
            folding = Folding({**default.engines, **given})
        design = plan(design, folding, family=technology)
    places, family = find_places(design), design.family
    counted = count_layers(design.program)
    uneven = has_own_levels(counted)
    alternatives = (OWN, *ALTERNATIVES) if uneven else ALTERNATIVES
    layers = []
    for counts in counted:
        members = [p.name for p in (counts.mac, *counts.quantizers, *counts.others) if p]
        layers.append(
            LayerComparison(
                counts,
                places[counts.mac.name] if counts.mac else None,
                max((places[m].cycles for m in members), default=0),
                {
                    a.id: layer_cost(counts, a, places, family.id, uneven=uneven)
                    for a in alternatives
                },
            )
        )
    totals = {a.id: sum((layer.costs[a.id] for layer in layers), LayerCost()) for a in alternatives}
    return Comparison(
        name or design.program.name,
        design,
        alternatives,
        tuple(layers),
        totals,
        assumptions(family),
        cheapest(totals, device or usual_device(family)),
        tuple(
            a.id
            for a in alternatives
            if a is OWN or not dresses or any(a.id in DRESSES[dress] for dress in dresses)
        ),
    )


def has_own_levels(layers: Sequence[LayerCounts]) -> bool:
    """Whether codes stand for levels of the network's own, which are not N2UQ's even ones."""
    return any(
        (layer.mac and layer.mac.uneven) or any(other.kind == "lookup" for other in layer.others)
        for layer in layers
    )
