"""Counted cells against recorded synthesis, and what they have to obey."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.hdl.families import FAMILIES
from n2uqc.backends.fpga.measure import fresh
from n2uqc.backends.fpga.measured.draws import KINDS, draw
from n2uqc.backends.fpga.measured.records import Point, path_of, read, table
from n2uqc.backends.fpga.resources import best_form, resources

from ...properties.awkward import awkward_programs
from ...properties.programs import programs

RECORDED = [family for family in FAMILIES if path_of(family).exists()]
MEDIAN, WORST, BIAS = 0.05, 0.20, 0.08


@pytest.fixture(scope="module", params=RECORDED)
def recorded(request: pytest.FixtureRequest) -> list[Point]:
    return read(request.param)


@pytest.mark.parametrize("resource", ["lut", "ff"])
def test_counts_are_those_of_synthesis(recorded: list[Point], resource: str) -> None:
    errors = sorted(abs(p.error(resource)) for p in recorded)
    assert {p.kind for p in recorded} <= set(KINDS) and len(recorded) >= 24
    assert errors[len(errors) // 2] <= MEDIAN
    assert errors[-1] <= WORST, "\n".join(table(recorded))
    kinds = defaultdict(list)
    for p in recorded:
        kinds[p.kind].append(p.error(resource))
    means = {kind: sum(found) / len(found) for kind, found in kinds.items() if len(found) >= 4}
    biased = {kind: mean for kind, mean in means.items() if abs(mean) > BIAS}
    assert not biased


@pytest.mark.parametrize("resource", ["dsp", "bram18"])
def test_blocks_are_nearly_always_those_of_synthesis(recorded: list[Point], resource: str) -> None:
    wrong = [
        p for p in recorded if getattr(p.synthesized, resource) != getattr(p.counted, resource)
    ]
    assert len(wrong) <= 0.03 * len(recorded), wrong


def test_both_families_with_open_tools_are_recorded() -> None:
    assert {"xc7", "ecp5"} <= set(RECORDED)


def test_draws_are_reproducible_and_cover_every_form() -> None:
    assert list(fresh(3)) == list(fresh(3)) != list(fresh(4))
    forms = set()
    for kind, number in fresh(5, 3):
        (a, form), (b, again) = draw(kind, number), draw(kind, number)
        assert (a.fold, form, a.inputs, a.output) == (b.fold, again, b.inputs, b.output)
        forms.add(form)
    assert {"products", "planes", "binary search", "parallel"} <= forms


@pytest.mark.parametrize("family", FAMILIES)
def test_the_form_is_the_smaller_one(family: str) -> None:
    chosen = set()
    for kind in ("codes", "threshold"):
        for number in range(16):
            engine, _ = draw(kind, number)
            form = best_form(engine, family)
            found = {f: resources(engine, f, family).total for f in engine.forms}
            assert all(
                (found[form].bram18 + found[form].dsp, found[form].lut)
                <= (other.bram18 + other.dsp, other.lut)
                for other in found.values()
            )
            chosen.add(form)
    assert {"planes", "binary search"} <= chosen


@settings(max_examples=10, deadline=None)
@given(programs() | awkward_programs(), st.sampled_from(sorted(FAMILIES)))
def test_every_engine_of_any_program_is_counted(case: Any, family: str) -> None:
    """Streams and products of more than 64 bits too."""
    for engine in engines_of(case[0]):
        for form in engine.forms:
            found = resources(engine.folded(Fold(engine.pe_options[-1], 1)), form, family).total
            assert min(found.lut, found.ff, found.carry, found.dsp, found.bram18) >= 0


def test_more_lanes_take_more() -> None:
    engine, _ = draw("codes", 9)
    folds = [Fold(pe, simd) for pe, simd in ((1, 4), (2, 4), (2, 8), (8, 8))]
    luts = [resources(engine.folded(fold), "products", "xc7").total.lut for fold in folds]
    assert luts == sorted(luts)
