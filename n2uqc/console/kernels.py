"""The table of the kernels of a binary, with the reasons for their choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import markup

from .progress import wide_console

if TYPE_CHECKING:
    from rich.console import Console


def print_kernels(facts: Mapping[str, Any], console: Console | None = None) -> None:
    """Print which kernel computes which operations, and why;
    ``facts`` are those of the artifact.
    """
    from rich import box
    from rich.table import Table

    console = console or wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("layer", "computes", "kernel", "why"):
        table.add_column(title, overflow="fold")
    table.add_column("MAC", justify="right", no_wrap=True)
    for kernel in facts["kernels"]:
        layer = kernel["operations"][0] if kernel["operations"] else ""
        table.add_row(
            markup(layer),
            markup(kernel["computes"].replace("_", " ")),
            markup(kernel["kernel"]),
            markup(kernel["reason"]),
            f"{kernel['macs']:,}" if kernel["macs"] else "",
        )
    console.print(table)
