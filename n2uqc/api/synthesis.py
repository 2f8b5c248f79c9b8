"""What yosys makes of every engine of a datapath, beside what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2uqc.backends.fpga.design import Design
from n2uqc.backends.fpga.rtl import load_synthesis
from n2uqc.frontend.sheet import Cell, Column, Sheet, name_column

from .progress import Progress

_PAIRS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "BRAM18"}
_COLUMNS = (
    name_column("layer"),
    Column("engine", left=True, least=8, drop=3),
    Column("form", left=True, least=8, drop=6),
    Column("PE", drop=4),
    Column("SIMD", drop=4),
    Column("LUT"),
    Column("count"),
    Column("off"),
    Column("FF", drop=5),
    Column("count", drop=5),
    Column("carry", drop=7),
    Column("DSP"),
    Column("count"),
    Column("BRAM18", drop=2),
    Column("count", drop=2),
)


def synthesize_model(name: str, design: Design, progress: Progress) -> dict[str, Any]:
    """Run every engine of a datapath through yosys; return JSON values.

    Raises:
        ToolchainError: Amaranth or yosys is missing.
    """
    tools = load_synthesis()
    version = tools.yosys_version()
    origins = {e.name: e.op.origin for e in design.engines.values() if e.op is not None}
    rows: list[dict[str, Any]] = []
    what = f"{name}: yosys (its first run on a machine takes minutes)"
    with progress.counting(len(origins), what) as step:
        for row in tools.synthesis_rows(design):
            rows.append({**row, "nodes": list(origins[row["name"]])})
            step(1)
    return {"model": name, "family": design.family.id, "yosys": version, "engines": rows}


def write_synthesis(sheet: Sheet, result: Mapping[str, Any]) -> None:
    """Write the table: synthesized resources, each followed by the count."""
    rows: list[list[Cell]] = []
    for row in result["engines"]:
        label = (row["nodes"] or [row["name"]])[-1]
        rows.append([label, row["kind"], row["form"], *_cells(row)])
    total = {
        key: sum(row[key] for row in result["engines"])
        for key in (*_PAIRS, "carry", *(f"estimated_{key}" for key in _PAIRS))
    }
    rows.append(["total", "", "", *_cells({"pe": "", "simd": "", **total})])
    title = (
        f"{result['model']}: engines synthesized for {result['family']} by {result['yosys']} "
        "(synthesis only), counts behind"
    )
    sheet.table(_COLUMNS, rows, title)
    sheet.line(
        "FIFOs and width converters between the engines are not among them; yosys versions differ "
        "by 20% and more"
    )


def _cells(row: Mapping[str, Any]) -> list[Cell]:
    lut, guess = row["lut"], row["estimated_lut"]
    cells: list[Cell] = [
        str(row["pe"]),
        str(row["simd"]),
        f"{lut:,}",
        f"{guess:,.0f}",
        f"{guess / lut - 1:+.0%}" if lut else "",
        f"{row['ff']:,}",
        f"{row['estimated_ff']:,.0f}",
        f"{row['carry']:,}",
    ]
    for key in ("dsp", "bram18"):
        cells += [f"{row[key]:,}", f"{row[f'estimated_{key}']:,.0f}"]
    return cells
