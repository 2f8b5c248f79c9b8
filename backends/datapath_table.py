"""The engines of a datapath as a table, with cycles and resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from n2uqc.frontend.sheet import Column, Sheet, name_column

ENGINE_COLUMNS = {
    "kind": Column("engine", left=True, least=10, drop=1),
    "form": Column("form", left=True, least=8, drop=4),
    "pe": Column("PE"),
    "simd": Column("SIMD"),
    "bits": Column("bits", drop=3),
    "busy": Column("cycles"),
    "lut": Column("LUT"),
    "ff": Column("FF", drop=2),
    "carry": Column("carry", drop=5),
    "dsp": Column("DSP"),
    "bram18": Column("BRAM18"),
}


def text(layout: Mapping[str, Any]) -> str:
    """Return the table as the file that a datapath holds: as wide as it needs, with all rows."""
    sheet = Sheet(all_rows=True)
    write_layout(sheet, layout)
    return str(sheet)


def write_layout(sheet: Sheet, layout: Mapping[str, Any]) -> None:
    """Write the table, rate and limit of a datapath.

    Args:
        sheet: where to.
        layout: engines, FIFOs and resources, as ``datapath.json`` holds them.
    """
    rows = []
    for engine in layout["engines"]:
        if "resources" in engine:
            row = {**engine, **engine["resources"]}
            label = (engine["nodes"] or [engine["name"]])[-1]
            rows.append((label, *(_cell(row[key]) for key in ENGINE_COLUMNS)))
    for row in layout["resources"]:
        rows.append((row["name"], *(_cell(row.get(key, "")) for key in ENGINE_COLUMNS)))
    sheet.table((name_column("layer"), *ENGINE_COLUMNS.values()), rows)
    rate, clock = layout["images_per_second"], layout["clock_hz"] / 1e6
    sheet.line(
        f"latency {layout['latency_cycles']:,} cycles, initiation interval "
        f"{layout['interval_cycles']:,} cycles: {rate:,.0f} images/s at {clock:g} MHz (the clock "
        "is assumed)"
    )
    sheet.line(binding(layout["engines"]))
    sheet.line(
        "cycles: simulated, of one image; LUT, FF, carry, DSP, BRAM18: counted as yosys maps them "
        f"for {layout['technology']}, nothing is placed or routed"
    )


def binding(engines: Iterable[Mapping[str, Any]]) -> str:
    """Return a line that names the engine that limits the rate, which more parallelism would raise.

    Args:
        engines: of a datapath, each with ``name``, ``kind`` and ``busy`` cycles an image, and
            ``node`` or ``nodes`` that it stands for.
    """
    rows = list(engines)
    most = max(row["busy"] for row in rows)
    slowest = [row for row in rows if row["busy"] == most]
    first = slowest[0]
    nodes = first.get("nodes") or first.get("node", "").split(", ")
    label = nodes[-1] or first["name"]
    others = f", and {len(slowest) - 1} as busy" if len(slowest) > 1 else ""
    return f"limited by {label} ({first['kind']}): {most:,} cycles an image{others}"


def _cell(value: Any) -> str | int:
    return value if isinstance(value, int) else str(value)
