"""``n2uqc cost --synthesize``: what yosys makes of every engine, beside what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import markup

from .progress import progress, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from n2uqc.backends.fpga.design import Design

_PAIRS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "BRAM18"}


def synthesize_model(name: str, design: Design) -> dict[str, Any]:
    """Every engine of a datapath through yosys, as JSON values.

    Raises:
        ToolchainError: Amaranth or yosys is missing.
    """
    from n2uqc.backends.fpga.rtl import load_synthesis

    tools = load_synthesis()
    version = tools.yosys_version()
    origins = {e.name: e.op.origin for e in design.engines.values() if e.op is not None}
    rows: list[dict[str, Any]] = []
    what = f"{name}: yosys (its first run on a machine takes minutes)"
    with progress(len(origins), what) as step:
        for row in tools.synthesis_rows(design):
            rows.append({**row, "nodes": list(origins[row["name"]])})
            step(1)
    return {"model": name, "family": design.family.id, "yosys": version, "engines": rows}


def print_synthesis(result: dict[str, Any], console: Console | None = None) -> None:
    """Print the table: synthesized resources, each followed by the estimated count."""
    from rich import box
    from rich.table import Table

    console = console or wide_console()
    table = Table(
        title=f"{markup(result['model'])}: engines synthesized for {result['family']} by "
        f"{result['yosys']} (synthesis only), counts behind",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("layer", overflow="fold")
    table.add_column("engine")
    table.add_column("form")
    for title in (
        "PE",
        "SIMD",
        "LUT",
        "count",
        "off",
        "FF",
        "count",
        "carry",
        "DSP",
        "count",
        "BRAM18",
        "count",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in result["engines"]:
        label = (row["nodes"] or [row["name"]])[-1]
        table.add_row(markup(label), row["kind"], row["form"], *_cells(row))
    table.add_section()
    total = {
        key: sum(row[key] for row in result["engines"])
        for key in (*_PAIRS, "carry", *(f"estimated_{key}" for key in _PAIRS))
    }
    table.add_row("total", "", "", *_cells({"pe": "", "simd": "", **total}))
    console.print(table)
    console.print(
        "FIFOs and width converters between the engines are not among them; yosys versions differ "
        "by 20% and more"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    lut, guess = row["lut"], row["estimated_lut"]
    off = f"{guess / lut - 1:+.0%}" if lut else ""
    cells = [
        str(row["pe"]),
        str(row["simd"]),
        f"{lut:,}",
        f"{guess:,.0f}",
        off,
        f"{row['ff']:,}",
        f"{row['estimated_ff']:,.0f}",
        f"{row['carry']:,}",
    ]
    for key in ("dsp", "bram18"):
        cells += [f"{row[key]:,}", f"{row[f'estimated_{key}']:,.0f}"]
    return cells
