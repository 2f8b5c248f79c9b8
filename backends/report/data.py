"""The content of a cost report as plain data, for terminal, HTML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from n2uqc.frontend.escape import plain

from ..cost.compare import Comparison, LayerComparison
from ..cost.layer import LayerCost
from ..cost.quantizers import Alternative, Operators
from ..cost.trained import Trained, beaten_by
from ..datapath_table import binding
from .evidence import evidence
from .findings import findings
from .rows import AlternativeRow, CostRow, LayerRow, ModelReport, OperatorRow, Report, TableRow
from .verdict import losses, verdict

RESOURCES = ("lut", "ff", "carry", "dsp", "bram18")
EVIDENCE = "counted"
"""What resources rest on: they are counted from the hardware's description."""
PARTS = ("mac", "quantizer", "stream", "memory")


Compared = Sequence[Comparison | Trained] | Comparison
"""One network, or several, with or without accuracies."""


def networks_of(compared: Compared) -> list[Trained]:
    """The networks of a report.

    Raises:
        ValueError: there are none, or they are for different technologies.
    """
    listed = [compared] if isinstance(compared, Comparison) else list(compared)
    networks = [Trained(each) if isinstance(each, Comparison) else each for each in listed]
    if len({network.comparison.technology.id for network in networks}) != 1:
        raise ValueError("a report takes one or more comparisons for one technology")
    return networks


def report(
    compared: Compared, command: str = "", synthesis: Sequence[Mapping[str, Any]] = ()
) -> Report:
    """Return the data of a report, which a command made.

    Raises:
        ValueError: there are no comparisons, or they are for different technologies.
    """
    networks = networks_of(compared)
    models = tuple(_model(networks, k) for k in range(len(networks)))
    first = networks[0].comparison
    return Report(
        tuple(plain(line) for line in verdict(networks)),  # type: ignore[arg-type]
        models,
        evidence(plain(first.model), command),
        first.assumptions,
        tuple(synthesis),
    )


def to_json(
    compared: Compared, command: str = "", synthesis: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return the report as data for JSON (``SCHEMA.md``); the same input gives the same data."""
    data = asdict(report(compared, command, synthesis))
    for model in data["models"]:
        shown = {row["id"] for row in model["alternatives"]}
        for layer in model["layers"]:
            layer["costs"] = {k: cost for k, cost in layer["costs"].items() if k in shown}
    return data


def _model(networks: Sequence[Trained], index: int) -> ModelReport:
    c, accuracy, effort = (
        networks[index].comparison,
        networks[index].accuracy,
        networks[index].effort,
    )
    ranked = len(networks) > 1 and all(network.accuracy for network in networks)
    better = beaten_by(networks, index) if ranked else None
    return ModelReport(
        plain(c.model),
        plain(c.model),
        c.own,
        json.loads(c.design.folding.to_json()),
        c.itself,
        accuracy.share if accuracy else None,
        accuracy.images if accuracy else 0,
        accuracy.executor if accuracy else "",
        better is None if ranked else None,
        better,
        effort,
        c.technology.title,
        f"yosys 0.70, {c.technology.script}",
        c.macs,
        c.low_bit_macs,
        c.interval,
        plain(_limited(c)),
        losses(c),
        findings(c),
        c.cheapest,
        tuple(_alternative(a, c.totals[a.id]) for a in c.alternatives if a.id in c.shown),
        _alternative(c.alternatives[0], c.totals[c.itself]),
        tuple(_layer(layer) for layer in c.layers),
    )


def _limited(comparison: Comparison) -> str:
    """Return the line that `compile --target fpga` prints of the engine that limits the rate."""
    engines = comparison.design.engines.values()
    return binding(
        {"name": e.name, "kind": e.kind, "busy": e.cycles, "nodes": e.op.origin if e.op else ()}
        for e in engines
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
