"""The rows of a cost report as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cost.assumptions import Assumption
from ..cost.cheapest import Cheapest
from ..cost.trained import Effort
from .evidence import Evidence


@dataclass(frozen=True)
class OperatorRow:
    """Numbers of operators; multiplications as [wider bits, narrower bits, count]."""

    multiplies: tuple[tuple[int, int, int], ...]
    adds: int
    compares: int
    shifts: int
    lookups: int

    @property
    def multiplications(self) -> int:
        return sum(count for *_, count in self.multiplies)


@dataclass(frozen=True)
class CostRow:
    """The cost of a layer or model under one alternative.

    Attributes:
        resources: LUT, FF, DSP, BRAM18 by part (mac, quantizer, stream, memory).
        bits: memory bits (weights, quantizer, stream, buffers).
        energy: pJ per image (mac, quantizer, tables, stream, weights, activations).
        share: the quantizer's share of lut, ff, dsp, bram18 and energy, 0 to 1.
        hardware, operations: operators in the datapath, and operations per image.
        forms: forms of the threshold units and low-bit lanes.
    """

    resources: Mapping[str, Mapping[str, float]]
    bits: Mapping[str, int]
    energy: Mapping[str, float]
    share: Mapping[str, float]
    hardware: OperatorRow
    operations: OperatorRow
    forms: tuple[str, ...]

    def total(self, resource: str) -> float:
        """Return the LUT, FF, DSP or BRAM18 of all parts."""
        return sum(part[resource] for part in self.resources.values())

    @property
    def memory_bits(self) -> int:
        return sum(self.bits.values())

    @property
    def picojoules(self) -> float:
        return sum(self.energy.values())


@dataclass(frozen=True)
class TableRow:
    """A comparison table: operand and code bits, comparators of a lane, shape."""

    name: str
    width: int
    bits: int
    steps: int
    shape: str
    bent: bool


@dataclass(frozen=True)
class LayerRow:
    """A layer: its operators, its engine, and its cost by alternative."""

    title: str
    origin: tuple[str, ...]
    low_bit: bool
    rows: int
    depth: int
    positions: int
    macs: int
    activation_bits: int
    weight_bits: int
    accumulator: int
    pe: int
    simd: int
    cycles: int
    tables: tuple[TableRow, ...]
    costs: Mapping[str, CostRow]


@dataclass(frozen=True)
class AlternativeRow:
    """An alternative and its totals over a model.

    Attributes:
        id, name, title, short: in code (twice), shown, shown where space is short.
        text: what it stands for.
        form: how its quantizers and low-bit elements are built.
        lut, ff, carry, dsp, bram18: of the whole datapath.
        energy_nj: modeled, an image.
        evidence: of the resources: counted.
        cost: by part.
    """

    id: str
    name: str
    title: str
    short: str
    text: str
    form: str
    lut: int
    ff: int
    carry: int
    dsp: int
    bram18: int
    energy_nj: float
    evidence: str
    cost: CostRow


@dataclass(frozen=True)
class ModelReport:
    """One model: every alternative's totals, layers, and what follows from them.

    Attributes:
        model, name: shown.
        own: what ``compile --target fpga`` writes as ``resources``.
        folding: what ``--folding`` reads.
        itself: id of the alternative that is the program as compiled.
        accuracy: 0 to 1, of the integer program on labeled images; None without such.
        images, executor: how many they were, and what ran the program.
        pareto, beaten_by: whether the network is on the front of accuracy against cost, else the
            place of the network that beats it; None where accuracies are not known.
        processor: what an image takes on a processor; None without one.
        limited: the engine that limits the rate, as a sentence.
        losses: where another dress is cheaper than N2UQ's.
        findings: what else the figures say.
        cheapest: the cheapest form of each dress on a device, and of which resource it takes the
            largest share.
        alternatives: those that are shown.
        compiled: the one that is the program as compiled.
    """

    model: str
    name: str
    own: Mapping[str, int]
    folding: Mapping[str, Any]
    itself: str
    accuracy: float | None
    images: int
    executor: str
    pareto: bool | None
    beaten_by: int | None
    processor: Effort | None
    technology: str
    tool: str
    macs: int
    low_bit_macs: int
    interval: int
    limited: str
    losses: tuple[str, ...]
    findings: tuple[str, ...]
    cheapest: Mapping[str, Cheapest]
    alternatives: tuple[AlternativeRow, ...]
    compiled: AlternativeRow
    layers: tuple[LayerRow, ...]

    def cost(self, alternative: str) -> CostRow:
        """Return the totals of an alternative that is shown, or of the program as compiled."""
        rows = (self.compiled, *self.alternatives)
        return next(a.cost for a in rows if a.id == alternative)


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        verdict: two sentences.
        models: the networks.
        evidence: what the figures rest on.
        assumptions: those of the models of cost.
        synthesis: what yosys makes of the engines of each network, if that was asked for.
    """

    verdict: tuple[str, str]
    models: tuple[ModelReport, ...]
    evidence: tuple[Evidence, ...]
    assumptions: tuple[Assumption, ...]
    synthesis: tuple[Mapping[str, Any], ...] = ()
