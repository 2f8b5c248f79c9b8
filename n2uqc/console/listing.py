"""Options that take a name, or `help`, which lists all names."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from n2uqc.api.result import terminal_width
from n2uqc.frontend.sheet import Sheet


class NameOrHelp(argparse.Action):
    """Stores a name; given `help`, prints all names and exits.

    Args:
        listing: returns the text that lists them. It is called for `help` alone, so what it imports
            costs other calls nothing.
    """

    def __init__(self, *args: Any, listing: Callable[[], str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.listing = listing

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        options: argparse.Namespace,
        value: Any,
        option: str | None = None,
    ) -> None:
        if value == "help":
            sheet = Sheet(terminal_width())
            for line in self.listing().splitlines():
                sheet.line(line, 4)
            print(sheet, end="", flush=True)
            parser.exit()
        setattr(options, self.dest, value)
