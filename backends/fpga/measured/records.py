"""What synthesis made of engines that were drawn: the files that ``measure`` writes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..hdl.terms import Cells
from ..resources import resources
from .draws import draw

FIELDS: tuple[str, ...] = (
    "family",
    "kind",
    "number",
    "form",
    "lut",
    "ff",
    "carry",
    "dsp",
    "bram18",
    "yosys",
    "engine",
)


@dataclass(frozen=True)
class Point:
    """An engine that was drawn, synthesized and counted.

    Attributes:
        kind, number: of the draw.
        form: that it was built in.
        engine: what it is, for people.
        synthesized, counted: cells of synthesis, and of the count.
    """

    kind: str
    number: int
    form: str
    engine: str
    synthesized: Cells
    counted: Cells

    def error(self, resource: str, floor: int = 24) -> float:
        """Return the count's relative error; fewer than ``floor`` cells count as ``floor``."""
        synthesized: int = getattr(self.synthesized, resource)
        counted: int = getattr(self.counted, resource)
        return (counted - synthesized) / max(synthesized, floor)


def path_of(family: str) -> Path:
    """Return the file of a family's recorded engines."""
    return Path(__file__).with_name(f"{family}.csv")


def read(family: str) -> list[Point]:
    """Return the recorded engines of a family, counted anew; none where there is no file."""
    return read_file(path_of(family), family)


def read_file(path: Path, family: str, yosys: str = "") -> list[Point]:
    """Return a family's engines of a file, counted anew.

    Args:
        path: of the file; where there is none, there are no engines.
        family: whose engines.
        yosys: only those that this version synthesized; "" for all.

    Raises:
        CompileError: the file holds something else.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        found = csv.DictReader(file)
        if tuple(found.fieldnames or ()) != FIELDS:
            raise _foreign(path)
        rows = list(found)
    if any(None in row.values() for row in rows):  # a line was cut off
        raise _foreign(path)
    try:
        return [
            counted(row["kind"], int(row["number"]), family, _cells(row), row["form"])
            for row in rows
            if row["family"] == family and yosys in ("", row["yosys"])
        ]
    except (KeyError, ValueError):
        raise _foreign(path) from None


def _foreign(path: Path) -> CompileError:
    return CompileError(
        Problem(
            node="",
            op="",
            found=f"{path}, which does not hold measured engines",
            supported=f"lines of {', '.join(FIELDS)}",
            hint="name another file, or remove this one",
        )
    )


def write(path: Path, family: str, points: Iterable[Point], yosys: str) -> None:
    """Add engines to a file."""
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n")
    with path.open("a", newline="") as file:
        rows = csv.DictWriter(file, FIELDS, lineterminator="\n")
        for p in points:
            rows.writerow(
                {"family": family, "kind": p.kind, "number": p.number, "form": p.form,
                 **vars(p.synthesized), "yosys": yosys, "engine": p.engine}
            )  # fmt: skip


def counted(
    kind: str, number: int, family: str, synthesized: Cells, form: str | None = None
) -> Point:
    """Return a drawn engine, by default in its drawn form: its count beside what synthesis made of
    it.
    """
    engine, drawn = draw(kind, number)
    form = drawn if form is None else form
    text = f"{engine.inputs[0]} -> {engine.output} {engine.fold}"
    return Point(kind, number, form, text, synthesized, resources(engine, form, family).total)


def _cells(row: Mapping[str, str]) -> Cells:
    return Cells(*(int(row[name]) for name in ("lut", "ff", "carry", "dsp", "bram18")))


def table(points: Sequence[Point]) -> list[str]:
    """Return lines of the error table: by kind and form, and altogether."""
    groups: dict[str, list[Point]] = {}
    for p in points:
        groups.setdefault(f"{p.kind} {p.form}".strip(), []).append(p)
    lines = [f"{'engines':26}{'':>4}  {'LUT bias':>9}{'median':>8}{'worst':>8}  "
             f"{'FF bias':>8}{'median':>8}{'worst':>8}  DSP, BRAM off"]  # fmt: skip
    for title, part in (*sorted(groups.items()), ("all", list(points))):
        shown = []
        for resource in ("lut", "ff"):
            errors = sorted((p.error(resource) for p in part), key=abs)
            bias, median = sum(errors) / len(errors), abs(errors[len(errors) // 2])
            shown += [f"{bias:+9.1%}", f"{median:8.1%}", f"{errors[-1]:+8.1%} "]
        off = [sum(getattr(p.synthesized, r) != getattr(p.counted, r) for p in part)
               for r in ("dsp", "bram18")]  # fmt: skip
        lines.append(f"{title:26}{len(part):4}  {''.join(shown)}  {off[0]}, {off[1]}")
    return lines
