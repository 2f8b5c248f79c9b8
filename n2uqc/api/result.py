"""What functions return: values that say themselves as JSON, text, HTML, and in a line."""

from __future__ import annotations

import os
import shutil
import sys
from abc import ABC, abstractmethod
from typing import Any

from n2uqc.frontend.sheet import Sheet


class Result(ABC):
    """A result of a function that a command calls too."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, as the command prints it with ``--json``."""

    @abstractmethod
    def write(self, sheet: Sheet) -> None:
        """Write the result on a sheet, as the command prints it."""

    @abstractmethod
    def summary(self) -> str:
        """Return what it is in a few words."""

    def text(self, width: int | None = None, *, all_rows: bool = False) -> str:
        """Return the text that the command prints.

        Args:
            width: columns that it may take; None for as many as it needs.
            all_rows: write tables of more than 20 rows in full.
        """
        sheet = Sheet(width, all_rows=all_rows)
        self.write(sheet)
        return str(sheet)

    def __str__(self) -> str:
        return self.text(terminal_width()).removesuffix("\n")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"

    def _repr_html_(self) -> str:
        from n2uqc.frontend.html_sheet import HtmlSheet

        sheet = HtmlSheet()
        self.write(sheet)
        return str(sheet)


def terminal_width() -> int | None:
    """Return the columns of the terminal, or those of the variable COLUMNS; None if the output
    goes elsewhere.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None
