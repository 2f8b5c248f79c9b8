"""Cost reports as text: tables, findings and assumptions for any width."""

from __future__ import annotations

from n2uqc.frontend.sheet import Cell, Column, Sheet, name_column

from .data import PARTS, Compared, report
from .formats import accuracy, number, products, standing
from .rows import AlternativeRow, CostRow, ModelReport, Report

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


def write_report(sheet: Sheet, compared: Compared) -> None:
    """Write tables, findings and assumptions on a sheet.

    Raises:
        ValueError: nothing is compared, or for different technologies.
    """
    data = report(compared)
    sheet.line(" ".join(data.verdict), 0)
    if len(data.models) > 1 or any(m.accuracy is not None or m.processor for m in data.models):
        _write_networks(sheet, data)
    for model in data.models:
        _write_model(sheet, model)
    sheet.heading("Alternatives")
    rows = {row.id: row for model in data.models for row in model.alternatives}
    for row in rows.values():
        sheet.line(f"{row.short}: {row.title}. {row.text}")
    sheet.heading("What the figures rest on")
    for a in data.assumptions:
        sheet.line(f"{a.id} ({a.kind}): {f'{a.text} {a.value}'.strip()}; {a.source}")


def _write_model(sheet: Sheet, model: ModelReport) -> None:
    sheet.heading(
        f"{model.model}: {model.macs:,} MACs per image ({model.low_bit_macs:,} low-bit), "
        f"{model.interval:,} cycles between images, {model.limited}"
    )
    _write_resources(sheet, model)
    sheet.line(HARDWARE_ONLY, 0)
    sheet.line(LEGEND, 0)
    _write_memory(sheet, model)
    _write_energy(sheet, model)
    _write_layers(sheet, model)
    _write_operators(sheet, model)
    sheet.heading("Where N2UQ loses")
    for line in model.losses:
        sheet.line(f"- {line}")
    sheet.heading("What else the figures say")
    for line in model.findings:
        sheet.line(f"- {line}")


def _columns(first: str, *titles: str, drop: tuple[str, ...] = ()) -> list[Column]:
    """Return a column of names and columns of figures.

    Args:
        first, titles: the headings.
        drop: those of columns that may be dropped, the first of them first.
    """
    order = {title: len(drop) - k for k, title in enumerate(drop)}
    return [name_column(first), *(Column(title, drop=order.get(title, 0)) for title in titles)]


def _write_resources(sheet: Sheet, model: ModelReport) -> None:
    columns = _columns(
        "LUT of", "MACs", "quant.", "stream", "memory", "all", "FF", "DSP", "BRAM18", "quant. part",
        drop=("quant. part", "FF"),
    )  # fmt: skip

    def cells(row: AlternativeRow) -> list[Cell]:
        cost = row.cost
        return [
            row.short,
            *(number(cost.resources[part]["lut"]) for part in PARTS),
            *(number(cost.total(each)) for each in ("lut", "ff", "dsp", "bram18")),
            f"{cost.share['lut']:.0%}",
        ]

    sheet.table(columns, map(cells, model.alternatives), f"Hardware on {model.technology}")


def _write_energy(sheet: Sheet, model: ModelReport) -> None:
    columns = _columns(
        "energy of", "MACs", "quant.", "tables", "stream", "reads", "all", "quant. part",
        drop=("quant. part",),
    )  # fmt: skip

    def cells(row: AlternativeRow) -> list[Cell]:
        energy = row.cost.energy
        nano = (
            energy["mac"],
            energy["quantizer"],
            energy["tables"],
            energy["stream"],
            energy["weights"] + energy["activations"],
            row.cost.picojoules,
        )
        return [row.short, *(number(v / 1000) for v in nano), f"{row.cost.share['energy']:.0%}"]

    title = "Energy in nJ per image (45 nm model); reads of weights and activations"
    sheet.table(columns, map(cells, model.alternatives), title)


def _write_memory(sheet: Sheet, model: ModelReport) -> None:
    columns = _columns("memory of", "weights", "quant. tables", "stream", "line buffers", "all")

    def cells(row: AlternativeRow) -> list[Cell]:
        kinds = ("weights", "quantizer", "stream", "buffers")
        bits = row.cost.bits
        return [
            row.short,
            *(number(bits[each] / 1000) for each in kinds),
            number(row.cost.memory_bits / 1000),
        ]

    sheet.table(columns, map(cells, model.alternatives), "Memory in kbit")


def _write_layers(sheet: Sheet, model: ModelReport) -> None:
    columns = _columns(
        "layer", "matrix", "PExSIMD", "cycles", "bits", "acc.", "comp.", "thr.", "m.-shift", "MAC",
        "codebook", "q. part",
        drop=("q. part", "comp.", "acc.", "matrix", "codebook", "PExSIMD", "bits"),
    )  # fmt: skip
    rows: list[list[Cell]] = []
    for layer in model.layers:
        own, shift = layer.costs[model.itself], layer.costs["uniform-multiply"]
        book = layer.costs["codebook"]
        steps = ", ".join(str(t.steps) for t in layer.tables) or "-"
        rows.append(
            [
                layer.title,
                f"{layer.rows}x{layer.depth}" if layer.rows else "-",
                f"{layer.pe}x{layer.simd}" if layer.pe else "-",
                layer.cycles,
                f"{layer.activation_bits}x{layer.weight_bits}" if layer.rows else "-",
                str(layer.accumulator) if layer.rows else "-",
                steps,
                _unit(own) if layer.tables else "-",
                _unit(shift) if layer.tables else "-",
                number(own.resources["mac"]["lut"]),
                (number(book.resources["mac"]["lut"])) if layer.low_bit else "-",
                f"{own.share['lut']:.0%}",
            ]
        )
    title = (
        "Layers: matrix (outputs x inputs), activation x weight bits, accumulator bits, compares a "
        "value; LUT (+n D: DSP) of the quantizers as thresholds or multiply-shift, of the MACs as "
        "compiled or codebook"
    )
    sheet.table(columns, rows, title)


def _unit(cost: CostRow) -> str:
    found = cost.resources["quantizer"]
    extra = f"+{found['dsp']:.0f}D" if found["dsp"] else ""
    return number(found["lut"]) + extra


def _write_operators(sheet: Sheet, model: ModelReport) -> None:
    columns = (
        name_column("operators of"),
        Column("multipliers (bits)", left=True, least=18, end=True, drop=1),
        Column("adders", drop=2),
        Column("comparators", drop=3),
        Column("multiplications"),
        Column("additions"),
        Column("comparisons"),
    )

    def cells(row: AlternativeRow) -> list[Cell]:
        there, image = row.cost.hardware, row.cost.operations
        return [
            row.short,
            products(there),
            there.adds,
            there.compares,
            image.multiplications,
            image.adds,
            image.compares,
        ]

    title = "Operators in the datapath, and applied for one image"
    sheet.table(columns, map(cells, model.alternatives), title)


def _write_networks(sheet: Sheet, data: Report) -> None:
    """Write networks trained apart, each as what it is."""
    columns = _columns(
        "network", "accuracy", "LUT", "FF", "DSP", "BRAM18", "kbit", "nJ", "cycles", "instructions",
        "front",
        drop=("FF", "kbit", "nJ", "cycles"),
    )  # fmt: skip
    columns[-1] = Column("front", left=True, least=13)
    rows: list[list[Cell]] = []
    for m in data.models:
        cost = m.cost(m.itself)
        rows.append(
            [
                m.model,
                accuracy(m),
                *(m.own[k] for k in ("lut", "ff", "dsp", "bram18")),
                number(cost.memory_bits / 1000),
                number(cost.picojoules / 1000),
                m.own["cycles"],
                f"{m.processor.instructions:,} {m.processor.core or m.processor.target}"
                if m.processor
                else "-",
                standing(data, m),
            ]
        )
    sheet.table(columns, rows, "Networks, each as it is compiled")
