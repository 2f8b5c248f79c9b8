"""The count itself, cell by cell: no change of it passes unseen.

``test_resources`` holds counts against synthesis within a few per cent; here they are those of
``tests/golden/cells.csv`` exactly, for every kind of engine, form and family.  After an intended
change, N2UQC_GOLDEN=write rewrites the file; ``python -m n2uqc.backends.fpga.measure --recorded``
tells whether the new count is the closer one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.cost.uniform import SCALES, example, thresholds, uniform
from n2uqc.backends.fpga.hdl.families import FAMILIES, VARIANTS
from n2uqc.backends.fpga.hdl.mapping import count
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.backends.fpga.hdl.words import choose
from n2uqc.backends.fpga.measure import fresh
from n2uqc.backends.fpga.measured.draws import KINDS, draw
from n2uqc.backends.fpga.measured.records import path_of, read
from n2uqc.backends.fpga.resources import fifo_resources, resources
from n2uqc.backends.fpga.units.element import Element
from n2uqc.backends.fpga.units.levels import RIVALS
from n2uqc.backends.fpga.units.rivals import inside

from ...recorded import REWRITING
from .test_mapping import drawn, signed

GOLDEN = Path(__file__).parents[2] / "golden/cells.csv"
EXTRA = [(kind, number) for kind in ("rearrange", "clamp", "prelu") for number in range(3)]


def engines(family: str) -> Iterator[tuple[str, Cells]]:
    """A round of measuring, and some kinds of which a round has few."""
    for kind, number in (*fresh(11), *EXTRA):
        engine, _ = draw(kind, number)
        for form in engine.forms:
            yield f"{kind} {number} {form}".strip(), resources(engine, form, family).total


def quantizers(family: str) -> Iterator[tuple[str, Cells]]:
    """A threshold unit, wider and narrower ones, and uniform quantizers in its place."""
    unit = example(18, 2, 8)
    for growth in (-3, 0, 5):
        yield f"thresholds {growth:+}", thresholds(unit, "parallel", family, growth).cells
    for scale in SCALES:
        for bent in (False, True):
            built = uniform(unit, scale, family, bent=bent)
            yield f"{scale}{' after PReLU' * bent}", built.cells


def rivals(family: str) -> Iterator[tuple[str, Cells]]:
    """Processing elements of other number systems."""
    for operand, weight in ((2, 2), (3, 3), (4, 2)):
        element = Element(operand, False, 6, weight, True, "sum", 16, True)
        for numbers in RIVALS:
            modules = inside(element, numbers, 12, VARIANTS[family].lut)
            made = sum((count(m, VARIANTS[family]).cells(family) for m in modules), Cells())
            yield f"{numbers} {operand}x{weight}", made


def fifos(family: str) -> Iterator[tuple[str, Cells]]:
    """FIFOs of registers, of LUT memory and of block RAM."""
    for width, depth in ((1, 2), (8, 2), (5, 31), (64, 33), (36, 513), (9, 5000)):
        yield f"fifo {width} x {depth}", fifo_resources(width, depth, family)


def modules(family: str) -> Iterator[tuple[str, Cells]]:
    """Sums, choices and comparisons behind each other; memories, tables and products."""
    rng = np.random.default_rng(5)
    made = [drawn(rng, k) for k in range(16)]
    for depth, width, ports in (
        (16, 4, 1), (40, 7, 1), (64, 9, 2), (128, 22, 1), (300, 5, 3), (4096, 2, 1),
    ):  # fmt: skip
        for transparent in (False, True):
            m = Module(f"memory {depth} x {width}, {ports} read{' transparent' * transparent}")
            memory = m.memory("memory", depth, width, transparent=transparent)
            address = m.input("at", (depth - 1).bit_length())
            memory.write(m.input("write"), address, m.input("x", width))
            for k in range(ports):
                m.output(f"y{k}", memory.read(m.input(f"at{k}", address.width)))
            made.append(m)
    for words, lanes, top in (
        (3, 2, 9), (24, 3, 1 << 5), (150, 2, 1 << 6), (640, 1, 1 << 12), (3000, 4, 1 << 11),
    ):  # fmt: skip
        m = Module(f"table {words} x {lanes}")
        values = rng.integers(-top, top, (words, lanes))
        for k, lane in enumerate(m.table("t", values, m.input("at", (words - 1).bit_length()))):
            m.output(f"y{k}", lane)
        made.append(m)
    for a, b in ((2, 3), (9, 9), (18, 25), (20, 34)):
        m = Module(f"product {a} x {b}")
        m.output("y", m.register(signed(m, "a", a) * signed(m, "b", b)))
        made.append(m)
    m = Module("multiply-accumulate")
    total = m.holder(40, "total")
    term = m.register(signed(m, "a", 16) * signed(m, "b", 16))
    begun = term + choose(m.input("first"), 0, total.as_signed())
    m.assign(total, begun.cut(40, True).extended(40), m.input("valid"))
    m.output("y", total)
    made.append(m)
    for m in made:
        yield m.name, count(m, VARIANTS[family]).cells(family)


def rows(family: str) -> Iterator[list[str]]:
    for part in (engines, quantizers, rivals, modules, fifos):
        for what, cells in part(family):
            yield [family, what, *map(str, astuple(cells))]


@pytest.mark.parametrize("family", VARIANTS)
def test_cells(family: str) -> None:
    mine = list(rows(family))
    with GOLDEN.open(newline="") as file:
        head, *kept = csv.reader(file)
    if REWRITING:
        text = io.StringIO(newline="")
        others = [row for row in kept if row[0] in VARIANTS and row[0] != family]
        csv.writer(text, lineterminator="\n").writerows([head, *sorted(others + mine)])
        GOLDEN.write_text(text.getvalue(), encoding="utf-8")
        return
    recorded = {what: cells for name, what, *cells in kept if name == family}
    assert {what: cells for _, what, *cells in mine} == recorded


@pytest.mark.parametrize("family", [name for name in FAMILIES if path_of(name).exists()])
def test_recorded_engines_are_those_that_were_synthesized(family: str) -> None:
    """Cells of synthesis beside the count of another engine would say nothing."""
    with path_of(family).open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, point in zip(rows, read(family), strict=True):
        assert (point.form, point.engine) == (row["form"], row["engine"]), point.kind


def test_a_round_measures_most_kinds() -> None:
    found = {kind for kind, _ in fresh(0)}
    assert found <= set(KINDS) and len(found) >= len(KINDS) - 1
