"""Text of lines and tables for one width: a terminal's, or unlimited where it is piped.

A table that is too wide gets narrower in this order: names are shortened in the middle and
sentences at their end, both to their least width; then columns go, the one of the greatest ``drop``
first, and a line below says which; at last every cell is cut. No cell takes a second line. A table
of more than ``ROWS`` rows is folded in its middle unless all rows are asked for. Where the width
is unlimited nothing is left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .escape import plain

ROWS = 20
"""Most rows of a table that is not folded."""
_ABOVE, _BELOW = 12, 6  # rows of a folded table
_GAP = "  "
_CUT = 3  # least width of a cell that is cut
DOTS = "…"


class Picture(str):
    """A cell or paragraph that is drawn where pictures can be, and else its own text.

    Attributes:
        svg: the drawing, an ``svg`` element.
    """

    svg: str

    def __new__(cls, text: str, svg: str) -> Picture:
        self = super().__new__(cls, text)
        self.svg = svg
        return self


Cell = str | int | None
"""Text, a count, which gets separators, or nothing."""
Row = Sequence[Cell]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        left: whether cells start at the left, as texts do.
        least: width to which cells may be shortened before columns are dropped; 0: not at all.
        end: whether they are shortened at the end, as sentences are, instead of the middle.
        drop: columns of greater numbers are dropped first; 0: never.
    """

    title: str
    left: bool = False
    least: int = 0
    end: bool = False
    drop: int = 0


def name_column(title: str, least: int = 16) -> Column:
    """Return a column of names, which are shortened in the middle."""
    return Column(title, left=True, least=least)


class Sheet:
    """A text of lines and tables.

    Args:
        width: columns that it may take; None for as many as it needs.
        all_rows: whether long tables are written in full.
    """

    def __init__(self, width: int | None = None, *, all_rows: bool = False) -> None:
        self.width, self.all_rows = width, all_rows
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def line(self, text: str = "", hang: int = 2) -> None:
        """Add a paragraph; its further lines, where it needs some, are indented by ``hang``."""
        shown = plain(text)
        if self.width is None or len(shown) <= self.width:
            self._lines.append(shown)
            return
        self._lines += textwrap.wrap(
            shown,
            self.width,
            subsequent_indent=" " * hang,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def block(self, text: str) -> None:
        """Add lines that stay as they are, such as a program's text."""
        self._lines += map(plain, text.splitlines())

    def heading(self, text: str) -> None:
        """Add a line that begins a part, after an empty one."""
        if self._lines and self._lines[-1]:
            self._lines.append("")
        self.line(text)

    def picture(self, picture: Picture) -> None:
        """Add what only a sheet with pictures shows."""

    def table(self, columns: Sequence[Column], rows: Iterable[Row], title: str = "") -> None:
        """Add a table."""
        given = [[_text(cell) for cell in row] for row in rows]
        if title:
            self.heading(title)
        shown, hidden = self._folded(given)
        kept, widths, dropped = _layout(columns, shown, self.width)
        heads = [columns[k].title for k in kept]
        if any(heads):
            self._row(columns, kept, widths, [column.title for column in columns])
            self._lines.append(_GAP.join("-" * width for width in widths))
        for k, row in enumerate(shown):
            if hidden and k == _ABOVE:
                self.line(f"{DOTS} {hidden} more rows (--all)")
            self._row(columns, kept, widths, row)
        if dropped:
            self.line(f"({', '.join(dropped)}: in a wider terminal, or by --json)")

    def _folded(self, rows: list[list[str]]) -> tuple[list[list[str]], int]:
        """Return the rows that are shown, and the number of those left out."""
        if self.all_rows or self.width is None or len(rows) <= ROWS:
            return rows, 0
        return [*rows[:_ABOVE], *rows[-_BELOW:]], len(rows) - _ABOVE - _BELOW

    def _row(
        self, columns: Sequence[Column], kept: list[int], widths: list[int], cells: list[str]
    ) -> None:
        parts = []
        for k, width in zip(kept, widths, strict=True):
            text = shorten(cells[k], width, at_end=columns[k].end)
            parts.append(f"{text:{'<' if columns[k].left else '>'}{width}}")
        self._lines.append(_GAP.join(parts).rstrip())


def shorten(text: str, width: int, *, at_end: bool = False) -> str:
    """Return a text of at most ``width`` characters, without its middle if it is longer,
    or without its end.
    """
    if len(text) <= width:
        return text
    if at_end or width < _CUT:
        return text[: max(width - 1, 0)] + DOTS[:width]
    back = 2 * width // 3  # ends of names tell more than their beginnings
    return text[: width - 1 - back] + DOTS + text[len(text) - back :]


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return plain(cell) if isinstance(cell, str) else f"{cell:,}"


def _layout(
    columns: Sequence[Column], rows: list[list[str]], width: int | None
) -> tuple[list[int], list[int], list[str]]:
    """Return the columns kept by index, their widths, and the titles of those dropped."""
    natural = [
        max(len(column.title), *(len(row[k]) for row in rows), 0)
        for k, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if width is None:
        return kept, natural, []
    while True:
        least = [min(natural[k], columns[k].least or natural[k]) for k in kept]
        widths = _narrowed([natural[k] for k in kept], least, width)
        droppable = [k for k in kept if columns[k].drop]
        if _total(widths) <= width or not droppable:
            break
        kept.remove(max(droppable, key=lambda k: columns[k].drop))
    if _total(widths) > width:
        widths = _narrowed(widths, [min(each, _CUT) for each in widths], width)
    dropped = [columns[k].title for k in range(len(columns)) if k not in kept]
    return kept, widths, dropped


def _narrowed(widths: list[int], least: list[int], width: int) -> list[int]:
    """Take characters from the widest columns, one by one, until all fit or none has any left."""
    found = list(widths)
    while _total(found) > width:
        wide = [k for k in range(len(found)) if found[k] > least[k]]
        if not wide:
            break
        found[max(wide, key=lambda k: found[k])] -= 1
    return found


def _total(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * max(len(widths) - 1, 0)
