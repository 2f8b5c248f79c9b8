"""What commands print: a result as text for the terminal, or as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import json_text, plain

if TYPE_CHECKING:
    from n2uqc.api.result import Result
    from n2uqc.frontend.sheet import Sheet


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command's output."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON instead of text and tables")
    group.add_argument(
        "--all", action="store_true", dest="all_rows", help="print tables of over 20 rows in full"
    )


def new_sheet(options: argparse.Namespace) -> Sheet:
    """Return an empty sheet as wide as the terminal, or as the text needs where it is piped."""
    from n2uqc.api.result import terminal_width
    from n2uqc.frontend.sheet import Sheet

    return Sheet(terminal_width(), all_rows=options.all_rows)


def show(result: Result, options: argparse.Namespace) -> None:
    """Print a result."""
    if options.json:
        show_json(result.to_json())
        return
    sheet = new_sheet(options)
    result.write(sheet)
    print(sheet, end="")


def show_json(values: Mapping[str, Any]) -> None:
    """Print JSON values."""
    print(json_text(values), end="")


def tell(text: str, options: argparse.Namespace) -> None:
    """Print a line beside the result: on standard error where the result is JSON."""
    print(text, file=sys.stderr if options.json else sys.stdout)


def tell_written(path: Path, options: argparse.Namespace, what: str = "") -> None:
    """Say that a file was written."""
    tell(f"wrote {plain(path)}{what and ': '}{what}", options)
