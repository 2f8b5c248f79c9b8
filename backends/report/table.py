"""Cost reports for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from n2uqc.frontend.escape import markup

from ..cost.compare import Comparison
from .data import PARTS, CostRow, ModelReport, OperatorRow, Report, report

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LEGEND = (
    "quant.: quantizers with their tables; stream: requantization to the skip stream, sums, PReLU, "
    "pools; memory: weights, line buffers, FIFOs and their control. LUT, FF, DSP and BRAM are not "
    "converted into each other."
)


def render_table(comparisons: Sequence[Comparison] | Comparison) -> list[RenderableType]:
    """Return tables, findings and assumptions for a rich console."""
    from rich.padding import Padding
    from rich.text import Text

    data = report(comparisons)
    shown: list[RenderableType] = []
    if len(data.models) > 1:
        shown += [_side_by_side(data), Text()]
    for model in data.models:
        shown += [_resources(model), Padding(Text(LEGEND, style="dim"), (0, 0, 1, 0))]
        shown += [_memory(model), _energy(model), _layers(model), _operators(model)]
        shown += [Text(f"- {line}") for line in model.findings]
        shown.append(Text())
    shown += [_alternatives(data), _assumptions(data)]
    return shown


def number(value: float) -> str:
    """Format a count with thousands separators; with one decimal below ten unless it is whole."""
    return f"{value:,.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def products(operators: OperatorRow, limit: int = 3) -> str:
    """Format the multiplications by width, most frequent first."""
    entries = sorted(operators.multiplies, key=lambda m: (-m[2], -m[0], -m[1]))
    shown = [f"{n:,} of {a}x{b}" for a, b, n in entries[:limit]]
    rest = sum(n for *_, n in entries[limit:])
    return ", ".join(shown + ([f"{rest:,} other"] if rest else [])) or "none"


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
        f"{model.interval:,} cycles between images\nHardware on {model.technology}",
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
        "N2UQ or codebook",
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
        own, shift = layer.costs["n2uq"], layer.costs["uniform-multiply"]
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


def _side_by_side(data: Report) -> Table:
    table = _table("Models side by side", "", *(markup(m.model) for m in data.models))
    table.add_row("MACs per image", *(f"{m.macs:,}" for m in data.models))
    table.add_row("cycles between images", *(f"{m.interval:,}" for m in data.models))
    for k, alternative in enumerate(data.models[0].alternatives):
        costs = [m.alternatives[k].cost for m in data.models]
        table.add_section()
        table.add_row(
            alternative.short,
            *(
                f"{number(c.total('lut'))} LUT, {number(c.total('dsp'))} DSP, "
                f"{number(c.total('bram18'))} BRAM18"
                for c in costs
            ),
        )
        table.add_row(
            "  memory, energy",
            *(
                f"{number(c.memory_bits / 1000)} kbit, {number(c.picojoules / 1000)} nJ"
                for c in costs
            ),
        )
        table.add_row(
            "  quantizer's share LUT / nJ",
            *(f"{c.share['lut']:.0%} / {c.share['energy']:.0%}" for c in costs),
        )
    return table


def _alternatives(data: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title="Alternatives", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "", ""):
        table.add_column(column, overflow="fold")
    for row in data.models[0].alternatives:
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
