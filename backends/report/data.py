"""The content of a cost report as plain data, for terminal, HTML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from n2uqc.frontend.escape import plain

from ..cost.assumptions import Assumption
from ..cost.compare import Comparison, LayerComparison
from ..cost.layer import LayerCost
from ..cost.quantizers import Alternative, Operators
from .findings import findings

RESOURCES = ("lut", "ff", "carry", "dsp", "bram18")
EVIDENCE = "counted"
"""What resources rest on: they are counted from the hardware's description."""
PARTS = ("mac", "quantizer", "stream", "memory")


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
        accuracy: None: only cost is compared.
    """

    model: str
    name: str
    own: Mapping[str, int]
    folding: Mapping[str, Any]
    accuracy: float | None
    technology: str
    tool: str
    macs: int
    low_bit_macs: int
    interval: int
    findings: tuple[str, ...]
    alternatives: tuple[AlternativeRow, ...]
    layers: tuple[LayerRow, ...]

    def cost(self, alternative: str) -> CostRow:
        """Return the totals of an alternative."""
        return next(a.cost for a in self.alternatives if a.id == alternative)


@dataclass(frozen=True)
class Report:
    """The whole report: models and assumptions."""

    models: tuple[ModelReport, ...]
    assumptions: tuple[Assumption, ...]


def report(comparisons: Sequence[Comparison] | Comparison) -> Report:
    """Return the data of a report.

    Raises:
        ValueError: there are no comparisons, or they are for different technologies.
    """
    listed = [comparisons] if isinstance(comparisons, Comparison) else list(comparisons)
    if not listed or len({c.technology.id for c in listed}) != 1:
        raise ValueError("a report takes one or more comparisons for one technology")
    return Report(tuple(map(_model, listed)), listed[0].assumptions)


def to_json(comparisons: Sequence[Comparison] | Comparison) -> dict[str, Any]:
    """Return the report as data for JSON; the same input gives the same data."""
    return asdict(report(comparisons))


def _model(c: Comparison) -> ModelReport:
    return ModelReport(
        plain(c.model),
        plain(c.model),
        c.own,
        json.loads(c.design.folding.to_json()),
        None,
        c.technology.title,
        f"yosys 0.70, {c.technology.script}",
        c.macs,
        c.low_bit_macs,
        c.interval,
        findings(c),
        tuple(_alternative(a, c.totals[a.id]) for a in c.alternatives),
        tuple(_layer(layer) for layer in c.layers),
    )


def _alternative(alternative: Alternative, cost: LayerCost) -> AlternativeRow:
    cells = cost.resources
    return AlternativeRow(
        alternative.id,
        alternative.id,
        alternative.title,
        alternative.short,
        alternative.text,
        ", ".join(cost.forms),
        cells.lut,
        cells.ff,
        cells.carry,
        cells.dsp,
        cells.bram18,
        round(cost.energy.total / 1000, 3),
        EVIDENCE,
        _cost(cost),
    )


def _layer(layer: LayerComparison) -> LayerRow:
    mac, site = layer.counts.mac, layer.place
    return LayerRow(
        plain(layer.title),
        layer.counts.origin,
        bool(mac and mac.low_bit),
        mac.rows if mac else 0,
        mac.depth if mac else 0,
        mac.positions if mac else 0,
        mac.macs if mac else 0,
        mac.activation_bits if mac else 0,
        mac.weight_bits if mac else 0,
        mac.accumulator if mac else 0,
        site.pe if site else 0,
        site.simd if site else 0,
        layer.cycles,
        tuple(
            TableRow(q.name, q.width, q.bits, q.steps, q.shape, q.bent)
            for q in layer.counts.quantizers
        ),
        {name: _cost(cost) for name, cost in layer.costs.items()},
    )


def _cost(cost: LayerCost) -> CostRow:
    parts = {part: getattr(cost, part) for part in PARTS}
    share = {resource: round(cost.share(resource), 6) for resource in RESOURCES}
    return CostRow(
        {part: {r: getattr(value, r) for r in RESOURCES} for part, value in parts.items()},
        asdict(cost.bits),
        {k: round(v, 3) for k, v in asdict(cost.energy).items()},
        {**share, "energy": round(cost.energy_share, 6)},
        _operators(cost.hardware),
        _operators(cost.operations),
        cost.forms,
    )


def _operators(operators: Operators) -> OperatorRow:
    return OperatorRow(
        tuple((a, b, n) for (a, b), n in operators.multiplies.items()),
        operators.adds,
        operators.compares,
        operators.shifts,
        operators.lookups,
    )
