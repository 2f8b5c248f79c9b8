"""The datapath's cycles by engine: table and JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2uqc.backends.datapath_table import binding
from n2uqc.frontend.sheet import Column, Sheet, name_column

if TYPE_CHECKING:
    from n2uqc.backends.fpga import Simulation

_COLUMNS = {
    "kind": Column("engine", left=True, least=12, drop=1),
    "pe": Column("PE"),
    "simd": Column("SIMD"),
    "bits": Column("bits", drop=2),
    "busy": Column("busy"),
    "starved": Column("starved", drop=5),
    "blocked": Column("blocked", drop=4),
    "first": Column("first", drop=3),
    "last": Column("last", drop=3),
}


def write_cycles(sheet: Sheet, simulation: Simulation, clock_hz: float) -> None:
    """Write a row for each engine, the latency and the initiation interval.

    Args:
        sheet: where to.
        simulation: the simulation.
        clock_hz: clock for images per second.
    """
    rows = []
    for row in simulation.rows():
        layer = row["node"].split(", ")[-1] or row["name"]
        rows.append((layer, *(row[key] for key in _COLUMNS)))
    sheet.table((name_column("layer"), *_COLUMNS.values()), rows)
    rate = simulation.images_per_second(clock_hz)
    sheet.line(
        f"latency {simulation.latency:,} cycles, initiation interval {simulation.interval:,} "
        f"cycles ({rate:,.0f} images/s at {clock_hz / 1e6:g} MHz), "
        f"{simulation.overflows} accumulator overflows"
    )
    sheet.line(binding(simulation.rows()))
    sheet.line(
        "busy, starved and blocked: cycles of one image in steady state; first, last: cycles in "
        "which the first image enters and leaves an engine"
    )


def cycles_to_json(simulation: Simulation, clock_hz: float) -> dict[str, Any]:
    """Return the cycles as JSON values."""
    return {
        "latency_cycles": simulation.latency,
        "interval_cycles": simulation.interval,
        "clock_hz": clock_hz,
        "images_per_second": simulation.images_per_second(clock_hz),
        "overflows": simulation.overflows,
        "engines": list(simulation.rows()),
    }
