"""The datapath's cycles by engine, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2uqc.backends.datapath_table import binding
from n2uqc.frontend.escape import markup

from .progress import wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from n2uqc.backends.fpga import Simulation

_COLUMNS = {
    "kind": "engine",
    "pe": "PE",
    "simd": "SIMD",
    "bits": "bits",
    "busy": "busy",
    "starved": "starved",
    "blocked": "blocked",
    "first": "first",
    "last": "last",
}


def print_cycles(
    simulation: Simulation, console: Console | None = None, *, clock_hz: float = 100e6
) -> None:
    """Print one line per engine, the latency and the initiation interval.

    Args:
        simulation: the simulation.
        console: console to print on.
        clock_hz: clock for images per second.
    """
    from rich import box
    from rich.table import Table

    console = console or wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="fold")
    for key, title in _COLUMNS.items():
        table.add_column(title, justify="left" if key == "kind" else "right", no_wrap=True)
    for row in simulation.rows():
        layer = row["node"].split(", ")[-1] or row["name"]
        table.add_row(markup(layer), *(str(row[key]) for key in _COLUMNS))
    console.print(table)
    rate = simulation.images_per_second(clock_hz)
    console.print(
        f"latency {simulation.latency:,} cycles, initiation interval {simulation.interval:,} "
        f"cycles ({rate:,.0f} images/s at {clock_hz / 1e6:g} MHz), "
        f"{simulation.overflows} accumulator overflows"
    )
    console.print(markup(binding(simulation.rows())), soft_wrap=True)
    console.print(
        "busy, starved and blocked: cycles of one image in steady state; first, last: cycles in "
        "which the first image enters and leaves an engine"
    )
