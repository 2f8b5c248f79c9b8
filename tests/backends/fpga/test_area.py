"""Area formulas against the measurements they are fitted to, and those that were held back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga.area import FAMILIES, area, best_form
from n2uqc.backends.fpga.area.fit import errors, is_held_back, points
from n2uqc.backends.fpga.area.grid import KINDS, draw
from n2uqc.backends.fpga.area.model import coefficients
from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.measure import fresh

from ...properties.awkward import awkward_programs
from ...properties.programs import programs

MEDIAN, WORST = 0.10, 0.25


@pytest.fixture(scope="module", params=FAMILIES)
def measured(request: pytest.FixtureRequest) -> tuple[str, list]:
    return request.param, points(request.param)


@pytest.mark.parametrize("resource", ["lut", "ff"])
@pytest.mark.parametrize("held_back", [False, True])
def test_within_the_bounds(measured: tuple[str, list], held_back: bool, resource: str) -> None:
    family, rows = measured
    part = [p for p in rows if is_held_back(p[0]) == held_back]
    assert len(part) >= (60 if held_back else 80)
    assert {row["kind"] for row, _ in part} >= set(KINDS)
    found = np.abs(errors(part, coefficients(family), resource))
    assert np.median(found) <= MEDIAN
    assert found.max() <= WORST


def test_blocks_are_nearly_always_those_of_synthesis(measured: tuple[str, list]) -> None:
    _, rows = measured
    for resource in ("dsp", "bram18"):
        wrong = [r for r, terms in rows if getattr(terms, resource) != int(r[resource])]
        assert len(wrong) <= 0.03 * len(rows), wrong


def test_engines_may_be_drawn_anew() -> None:
    points = list(fresh(3))
    assert points == list(fresh(3)) != list(fresh(4))
    assert {kind for kind, _ in points} == set(KINDS)
    assert all(is_held_back({"number": str(number)}) for _, number in points)


def test_the_grid_is_reproducible_and_covers_every_form() -> None:
    forms = set()
    for kind in KINDS:
        for number in range(12):
            (a, form), (b, again) = draw(kind, number), draw(kind, number)
            assert (a.fold, form, a.inputs, a.output) == (b.fold, again, b.inputs, b.output)
            forms.add(form)
    assert {"products", "planes", "binary search", "parallel"} <= forms


@pytest.mark.parametrize("family", FAMILIES)
def test_the_form_is_the_smaller_one(family: str) -> None:
    chosen = set()
    for kind in ("codes", "threshold"):
        for number in range(60):
            engine, _ = draw(kind, number)
            form = best_form(engine, family)
            found = {f: area(engine, f, family) for f in engine.forms}
            assert all(
                (found[form].bram18 + found[form].dsp, found[form].lut)
                <= (other.bram18 + other.dsp, other.lut)
                for other in found.values()
            )
            chosen.add(form)
    assert {"planes", "binary search"} <= chosen


@settings(max_examples=30, deadline=None)
@given(programs() | awkward_programs(), st.sampled_from(FAMILIES))
def test_every_engine_of_any_program_has_an_area(case: Any, family: str) -> None:
    """Streams and products of more than 64 bits too."""
    for engine in engines_of(case[0]):
        for form in engine.forms:
            found = area(engine.folded(Fold(engine.pe_options[-1], 1)), form, family)
            assert min(found.lut, found.ff, found.dsp, found.bram18) >= 0


def test_more_lanes_take_more() -> None:
    engine, _ = draw("codes", 8)
    luts = [
        area(engine.folded(Fold(pe, simd)), "products", "xc7").lut
        for pe, simd in ((1, 4), (2, 4), (2, 8), (8, 24))
    ]
    assert luts == sorted(luts)
