"""What synthesis made of engines that were drawn: the files that ``measure`` writes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..hdl.terms import Cells
from ..resources import resources
from .draws import draw

FIELDS: tuple[str, ...] = (
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
    path = path_of(family)
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        counted(row["kind"], int(row["number"]), family, _cells(row), row["form"]) for row in rows
    ]


def write(family: str, points: Iterable[Point], yosys: str) -> None:
    """Add engines to a family's file."""
    path = path_of(family)
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n")
    with path.open("a", newline="") as file:
        rows = csv.DictWriter(file, FIELDS, lineterminator="\n")
        for p in points:
            figures = {name: getattr(p.synthesized, name) for name in vars(p.synthesized)}
            rows.writerow(
                {"kind": p.kind, "number": p.number, "form": p.form, **figures, "yosys": yosys,
                 "engine": p.engine}
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
