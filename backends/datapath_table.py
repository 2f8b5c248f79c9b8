"""The engines of a datapath as a table, with cycles and resources."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import markup

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 160
_COLUMNS = {
    "kind": "engine",
    "form": "form",
    "pe": "PE",
    "simd": "SIMD",
    "bits": "bits",
    "busy": "cycles",
    "lut": "LUT",
    "ff": "FF",
    "carry": "carry",
    "dsp": "DSP",
    "bram18": "BRAM18",
}


def text(layout: dict[str, Any]) -> str:
    """Return the table, as it is printed."""
    from rich.console import Console

    sheet = io.StringIO()
    console = Console(file=sheet, width=_WIDTH, highlight=False, emoji=False)
    console.print(_table(layout))
    rate, clock = layout["images_per_second"], layout["clock_hz"] / 1e6
    console.print(
        f"latency {layout['latency_cycles']:,} cycles, initiation interval "
        f"{layout['interval_cycles']:,} cycles: {rate:,.0f} images/s at {clock:g} MHz (the clock "
        "is assumed)"
    )
    console.print(markup(binding(layout["engines"])), soft_wrap=True)
    console.print(
        f"cycles: simulated, of one image; LUT, FF, carry, DSP, BRAM18: counted as yosys maps them "
        f"for {layout['technology']}, nothing is placed or routed"
    )
    return "".join(f"{line.rstrip()}\n" for line in sheet.getvalue().splitlines())


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


def _table(layout: dict[str, Any]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="fold")
    for key, title in _COLUMNS.items():
        left = key in ("kind", "form")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    for engine in layout["engines"]:
        if "resources" in engine:
            row = {**engine, **engine["resources"]}
            label = (engine["nodes"] or [engine["name"]])[-1]
            table.add_row(markup(label), *(_number(row[key]) for key in _COLUMNS))
    for row in layout["resources"]:
        table.add_row(markup(row["name"]), *(_number(row.get(key, "")) for key in _COLUMNS))
    return table


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
