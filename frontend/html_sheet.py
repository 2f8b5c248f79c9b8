"""A sheet as HTML, for notebooks: the same lines and tables, and their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .escape import html, plain
from .sheet import Column, Picture, Row, Sheet

_STYLE = (
    "<style>.n2uqc table{border-collapse:collapse;margin:.3em 0}"
    ".n2uqc th,.n2uqc td{padding:.1em .6em;text-align:right;white-space:nowrap}"
    ".n2uqc th.l,.n2uqc td.l{text-align:left}"
    ".n2uqc p{margin:.2em 0}.n2uqc h4{margin:.6em 0 .2em}"
    ".n2uqc .scroll{max-height:32em;overflow:auto}</style>"
)


class HtmlSheet(Sheet):
    """A sheet whose text is one HTML element; tables scroll instead of being folded."""

    def __str__(self) -> str:
        return f'<div class="n2uqc">{_STYLE}{"".join(self._lines)}</div>'

    def line(self, text: str = "", hang: int = 2) -> None:
        if text:
            self._lines.append(f"<p>{html(plain(text))}</p>")

    def block(self, text: str) -> None:
        self._lines.append(f'<div class="scroll"><pre>{html(text)}</pre></div>')

    def heading(self, text: str) -> None:
        self._lines.append(f"<h4>{html(plain(text))}</h4>")

    def picture(self, picture: Picture) -> None:
        self._lines.append(picture.svg)

    def table(self, columns: Sequence[Column], rows: Iterable[Row], title: str = "") -> None:
        if title:
            self.heading(title)
        sides = [' class="l"' if column.left else "" for column in columns]
        heads = "".join(
            f"<th{side}>{html(column.title)}</th>"
            for side, column in zip(sides, columns, strict=True)
        )
        body = "".join(f"<tr>{_cells(sides, row)}</tr>" for row in rows)
        self._lines.append(
            f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _cells(sides: Sequence[str], row: Row) -> str:
    return "".join(f"<td{side}>{_cell(cell)}</td>" for side, cell in zip(sides, row, strict=True))


def _cell(cell: object) -> object:
    if cell is None:
        return ""
    if isinstance(cell, Picture):
        return f'<span title="{html(plain(cell))}">{cell.svg}</span>'
    return html(f"{cell:,}" if isinstance(cell, int) else plain(cell))
