"""Cost reports for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2uqc.frontend.escape import markup

from .data import PARTS, Compared, report
from .formats import accuracy, number, products, standing
from .rows import CostRow, ModelReport, Report

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LEGEND = (
    "quant.: quantizers with their tables; stream: requantization to the skip stream, sums, PReLU, "
    "pools; memory: weights, line buffers, FIFOs and their control. LUT, FF, DSP and BRAM are not "
    "converted into each other."
)


HARDWARE_ONLY = (
    "The rows are one network in other dresses: hardware only. Nothing is said of the accuracy "
    "that a network trained for such a dress would have; for that, give networks trained apart, "
    "with --data."
)


def render_table(compared: Compared) -> list[RenderableType]:
    """Return tables, findings and assumptions for a rich console."""
    from rich.padding import Padding
    from rich.text import Text

    data = report(compared)
    shown: list[RenderableType] = [Text(" ".join(data.verdict)), Text()]
    measured = any(m.accuracy is not None or m.processor for m in data.models)
    if len(data.models) > 1 or measured:
        shown += [_networks(data), Text()]
    for model in data.models:
        shown += [_resources(model), Text(HARDWARE_ONLY, style="dim")]
        shown.append(Padding(Text(LEGEND, style="dim"), (0, 0, 1, 0)))
        shown += [_memory(model), _energy(model), _layers(model), _operators(model)]
        shown.append(Text("Where N2UQ loses"))
        shown += [Text(f"- {line}") for line in model.losses]
        shown.append(Text("What else the figures say"))
        shown += [Text(f"- {line}") for line in model.findings]
        shown.append(Text())
    shown += [_alternatives(data), _assumptions(data)]
    return shown


def _table(title: str, *columns: str, keep: bool = True) -> Table:
    """Return an empty table; with ``keep``,
    a narrow terminal wraps other columns before the first.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for k, column in enumerate(columns):
        table.add_column(
            column,
            justify="left" if k == 0 else "right",
            overflow="fold",
            no_wrap=keep and k == 0,
            max_width=34 if k == 0 else None,
        )
    return table


def _resources(model: ModelReport) -> Table:
    table = _table(
        f"{markup(model.model)}: {model.macs:,} MACs per image ({model.low_bit_macs:,} low-bit), "
        f"{model.interval:,} cycles between images, {markup(model.limited)}\n"
        f"Hardware on {model.technology}",
        "LUT of",
        "MACs",
        "quant.",
        "stream",
        "memory",
        "all",
        "FF",
        "DSP",
        "BRAM18",
        "quant. part",
    )
    for row in model.alternatives:
        cost = row.cost
        table.add_row(
            row.short,
            *(number(cost.resources[part]["lut"]) for part in PARTS),
            number(cost.total("lut")),
            number(cost.total("ff")),
            number(cost.total("dsp")),
            number(cost.total("bram18")),
            f"{cost.share['lut']:.0%}",
        )
    return table


def _energy(model: ModelReport) -> Table:
    table = _table(
        "Energy in nJ per image (45 nm model); reads of weights and activations",
        "",
        "MACs",
        "quant.",
        "tables",
        "stream",
        "reads",
        "all",
        "quant. part",
    )
    for row in model.alternatives:
        energy = row.cost.energy
        nano = (
            energy["mac"],
            energy["quantizer"],
            energy["tables"],
            energy["stream"],
            energy["weights"] + energy["activations"],
            row.cost.picojoules,
        )
        table.add_row(
            row.short, *(number(v / 1000) for v in nano), f"{row.cost.share['energy']:.0%}"
        )
    return table


def _memory(model: ModelReport) -> Table:
    table = _table(
        "Memory in kbit", "", "weights", "quant. tables", "stream", "line buffers", "all"
    )
    for row in model.alternatives:
        kinds = ("weights", "quantizer", "stream", "buffers")
        table.add_row(
            row.short,
            *(number(row.cost.bits[k] / 1000) for k in kinds),
            number(row.cost.memory_bits / 1000),
        )
    return table


def _layers(model: ModelReport) -> Table:
    table = _table(
        "Layers: matrix (outputs x inputs), activation x weight bits, accumulator bits, compares a "
        "value;\nLUT (+n D: DSP) of the quantizers as thresholds or multiply-shift, of the MACs as "
        "compiled or codebook",
        "",
        "matrix",
        "PExSIMD",
        "cycles",
        "bits",
        "acc.",
        "comp.",
        "thr.",
        "m.-shift",
        "MAC",
        "codebook",
        "q. part",
        keep=False,
    )
    for layer in model.layers:
        own, shift = layer.costs[model.itself], layer.costs["uniform-multiply"]
        book = layer.costs["codebook"]
        steps = ", ".join(str(t.steps) for t in layer.tables) or "-"
        table.add_row(
            markup(layer.title),
            f"{layer.rows}x{layer.depth}" if layer.rows else "-",
            f"{layer.pe}x{layer.simd}" if layer.pe else "-",
            f"{layer.cycles:,}",
            f"{layer.activation_bits}x{layer.weight_bits}" if layer.rows else "-",
            str(layer.accumulator) if layer.rows else "-",
            steps,
            _unit(own) if layer.tables else "-",
            _unit(shift) if layer.tables else "-",
            number(own.resources["mac"]["lut"]),
            (number(book.resources["mac"]["lut"])) if layer.low_bit else "-",
            f"{own.share['lut']:.0%}",
        )
    return table


def _unit(cost: CostRow) -> str:
    found = cost.resources["quantizer"]
    extra = f"+{found['dsp']:.0f}D" if found["dsp"] else ""
    return number(found["lut"]) + extra


def _operators(model: ModelReport) -> Table:
    table = _table(
        "Operators in the datapath, and applied for one image",
        "",
        "multipliers (bits)",
        "adders",
        "comparators",
        "multiplications",
        "additions",
        "comparisons",
    )
    for row in model.alternatives:
        there, image = row.cost.hardware, row.cost.operations
        table.add_row(
            row.short,
            products(there),
            f"{there.adds:,}",
            f"{there.compares:,}",
            f"{image.multiplications:,}",
            f"{image.adds:,}",
            f"{image.compares:,}",
        )
    return table


def _networks(data: Report) -> Table:
    """Networks trained apart, each as what it is."""
    table = _table(
        "Networks, each as it is compiled",
        "",
        "accuracy",
        "LUT",
        "FF",
        "DSP",
        "BRAM18",
        "kbit",
        "nJ",
        "cycles",
        "instructions",
        "front",
    )
    for m in data.models:
        cost = m.cost(m.itself)
        table.add_row(
            markup(m.model),
            accuracy(m),
            *(f"{m.own[k]:,}" for k in ("lut", "ff", "dsp", "bram18")),
            number(cost.memory_bits / 1000),
            number(cost.picojoules / 1000),
            f"{m.own['cycles']:,}",
            f"{m.processor.instructions:,} {m.processor.core or m.processor.target}"
            if m.processor
            else "-",
            markup(standing(data, m)),
        )
    return table


def _alternatives(data: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title="Alternatives", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "", ""):
        table.add_column(column, overflow="fold")
    rows = {row.id: row for model in data.models for row in model.alternatives}
    for row in rows.values():
        table.add_row(row.short, row.title, row.text)
    return table


def _assumptions(data: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title="What the figures rest on", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in ("", "kind", "assumption", "source"):
        table.add_column(column, overflow="fold")
    for a in data.assumptions:
        table.add_row(a.id, a.kind, f"{a.text} {a.value}".strip(), a.source)
    return table
