"""What ``n2uqc compile --target fpga`` writes: program, folding, timing and resources, hardware."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import json_text, markup

from .progress import WIDTH, working

if TYPE_CHECKING:
    from rich.table import Table

    from n2uqc.backends import Artifact
    from n2uqc.backends.search import SearchResult
    from n2uqc.passes.program import Program

TABLE = "datapath.txt"
_COLUMNS = {
    "kind": "engine",
    "form": "form",
    "pe": "PE",
    "simd": "SIMD",
    "bits": "bits",
    "busy": "cycles",
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram18": "BRAM18",
}


def datapath_artifact(program: Program, plan: SearchResult, *, rtl: bool = False) -> Artifact:
    """Lay out the datapath of a program.

    The artifact holds ``program.n2uq``, ``folding.json`` (to edit and give back), ``datapath.json``
    (engines and FIFOs with cycles of the cycle-accurate simulation and estimated resources),
    ``datapath.txt`` (the same as a table), and with ``rtl`` what ``backends.fpga.rtl.emit`` writes.

    Args:
        program: a lowered program.
        plan: its folding with what it costs.
        rtl: add the hardware description.

    Raises:
        CompileError: the program does not fit the engines; ToolchainError where Amaranth or yosys
            is missing.
    """
    from n2uqc import __version__
    from n2uqc.backends import Artifact
    from n2uqc.backends.artifact import PROGRAM
    from n2uqc.backends.fpga import build_pipeline, describe, simulate_timing
    from n2uqc.passes.program.store import to_bytes

    with working("laying out the datapath") as step:
        pipeline = build_pipeline(program, plan.folding)
        step("cycles and FIFO depths")
        layout = describe(pipeline, simulate_timing(pipeline))
    _add_costs(layout, plan)
    files = {
        PROGRAM: to_bytes(program),
        "folding.json": plan.folding.to_json().encode(),
        "datapath.json": json_text(layout).encode(),
        TABLE: _text(layout),
    }
    if rtl:
        from n2uqc.backends.fpga.rtl import emit

        with working("hardware description") as step:
            files |= emit(program, plan.folding, family=plan.technology.area, progress=step)
    facts = {
        "target": "fpga",
        "program": program.name,
        "n2uqc": __version__,
        "rtl": rtl,
        **{k: layout[k] for k in ("latency_cycles", "interval_cycles", "clock_hz", "device")},
    }
    return Artifact(files, frozenset(), facts)


def _add_costs(layout: dict[str, Any], plan: SearchResult) -> None:
    """Rate, device and resources, by engine and altogether."""
    rows = {row["name"]: row for row in plan.rows()}
    for engine in layout["engines"]:
        if engine["name"] in plan.choices:
            row = rows[engine["name"]]
            engine["form"] = row["form"]
            engine["resources"] = {k: row[k] for k in ("lut", "ff", "dsp", "bram18")}
    layout |= {
        k: v
        for k, v in plan.to_dict().items()
        if k not in ("engines", "table", "interval_cycles", "images_per_second")
    }
    layout["images_per_second"] = plan.clock_hz / layout["interval_cycles"]
    layout["resources"] = [
        {k: row[k] for k in ("name", "lut", "ff", "dsp", "bram18")}
        for row in plan.rows()
        if row["name"] not in plan.choices
    ]


def _text(layout: dict[str, Any]) -> bytes:
    """The table, as it is printed."""
    from rich.console import Console

    sheet = io.StringIO()
    console = Console(file=sheet, width=WIDTH, highlight=False, emoji=False)
    console.print(_table(layout))
    rate, clock = layout["images_per_second"], layout["clock_hz"] / 1e6
    console.print(
        f"latency {layout['latency_cycles']:,} cycles, initiation interval "
        f"{layout['interval_cycles']:,} cycles: {rate:,.0f} images/s at {clock:g} MHz (the clock "
        "is assumed)"
    )
    console.print(
        f"cycles: simulated, of one image; LUT, FF, DSP, BRAM18: estimates for "
        f"{layout['technology']} ({layout['basis']}), nothing is placed or routed"
    )
    return "".join(f"{line.rstrip()}\n" for line in sheet.getvalue().splitlines()).encode()


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
