"""The results of a benchmark, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any


def say(text: str) -> None:
    """Print a message about the progress to stderr."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> str:
    """Format rows of equal keys as an aligned table.

    Args:
        rows: the results.
        columns: headings of the keys to show; numbers are aligned to the right, floats have three
            or more significant digits.
    """
    cells = [list(columns.values())]
    cells += [[_text(row.get(key)) for key in columns] for row in rows]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    numbers = [all(isinstance(row.get(key), int | float | None) for row in rows) for key in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in cells
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return (
            f"{value:,.0f}"
            if abs(value) >= 1000
            else f"{value:.3g}"
            if abs(value) < 100
            else f"{value:.1f}"
        )
    return f"{value:,}" if isinstance(value, int) else str(value)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages, by name."""
    found = {"python": platform.python_version()}
    for package in ("n2uqc", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if package == "n2uqc":
                from n2uqc import __version__

                found[package] = __version__
    return found


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for JSON output."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write what was measured to FILE (- for stdout)"
    )


def report(options: argparse.Namespace, text: str, found: dict[str, Any]) -> None:
    """Print the table, and write JSON if it is requested."""
    data = json.dumps(found, indent=2) + "\n"
    if options.json == Path("-"):
        print(data, end="")
        return
    print(text)
    if options.json is not None:
        options.json.write_text(data, encoding="utf-8")
