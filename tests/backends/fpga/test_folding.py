"""Foldings: the balanced default, its file, and every way in which that may be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga import Fold, Folding, build_pipeline, default_folding, plan
from n2uqc.backends.fpga.fitting import BUDGET, fitting_folding
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.frontend.diagnostics import CompileError

from ...properties.programs import Builder, programs
from .cases import folded_programs


@settings(max_examples=40, deadline=None)
@given(folded_programs())
def test_json_round_trip(case: Any) -> None:
    program, _, folding = case
    assert Folding.from_json(folding.to_json(), program) == folding


@settings(max_examples=50, deadline=None)
@given(programs(), st.integers(1, 2000))
def test_default_folding_keeps_its_budget_and_is_balanced(case: Any, lanes: int) -> None:
    program, _ = case
    folding = default_folding(program, lanes=lanes)
    folding.check(program)
    engines = [e.folded(folding.engines[e.name]) for e in engines_of(program)]
    slowest = max(e.cycles for e in engines)
    smallest = [e.folded(Fold()) for e in engines]
    floor = max(
        min(e.folded(Fold(p, s)).cycles for p in e.pe_options for s in e.simd_options)
        for e in engines
    )
    spent = sum(e.multipliers for e in engines)
    assert spent <= lanes or slowest == max(e.cycles for e in smallest)
    # a target one cycle shorter costs more than the budget, or nothing reaches it
    if slowest > floor:
        faster = default_folding(program, cycles=slowest - 1).engines
        assert sum(e.folded(faster[e.name]).multipliers for e in engines) > lanes
    # no engine could be smaller at this target
    for engine in engines:
        fold = engine.fold
        for pe in engine.pe_options:
            for simd in engine.simd_options:
                if pe * simd < fold.pe * fold.simd:
                    assert engine.folded(Fold(pe, simd)).cycles > slowest


@settings(max_examples=30, deadline=None)
@given(programs(), st.integers(0, 100))
def test_target_cycles(case: Any, slack: int) -> None:
    program, _ = case
    engines = list(engines_of(program))
    floor = max(
        min(e.folded(Fold(p, s)).cycles for p in e.pe_options for s in e.simd_options)
        for e in engines
    )
    folding = default_folding(program, cycles=floor + slack)
    assert all(e.folded(folding.engines[e.name]).cycles <= floor + slack for e in engines)
    with pytest.raises(CompileError, match="cycles per image asked for"):
        default_folding(program, cycles=floor - 1)


def example() -> Any:
    b = Builder(4, 6, 4, 8, True)
    stream = b.requantize(b.conv("x", 6, bits=3, odd=False, kernel=3))
    return b.finish(b.requantize(b.conv(b.thresholds(stream, 2), 4, bits=2)))


def problems(change: Any) -> str:
    program = example()
    found = json.loads(default_folding(program).to_json())
    change(found["engines"])
    with pytest.raises(CompileError) as caught:
        Folding.from_json(json.dumps(found), program)
    return str(caught.value)


def test_what_does_not_divide_names_the_layer_and_its_choices() -> None:
    text = problems(lambda e: e["t0"].update(pe=4, simd=5))
    assert "matrix-vector 't0': pe 4" in text
    assert "pe of 1, 2, 3, 6" in text
    assert "simd 5" in text
    assert "simd of 1, 2, 4, 12, 36" in text


def test_every_fault_is_listed_at_once() -> None:
    def change(engines: Any) -> None:
        del engines["t1"]
        engines["t2"] = {"pe": 5}
        engines["t3"] = {"pe": "2"}
        engines["t9"] = {"pe": 1, "simd": 1}

    text = problems(change)
    for part in (
        "4 problems",
        "'t1'",
        "no entry",
        "threshold 't2': pe 5",
        '\'t3\': {"pe": "2"}',
        "'t9'",
        "has not",
    ):
        assert part in text


@pytest.mark.parametrize(
    "row",
    [
        {"pe": True},
        {"simd": 1},
        {"pe": 1, "lanes": 2},
        [1, 2],
        {"pe": 1.0},
        {"pe": 1, "form": 2},
        3,
        None,
    ],
)
def test_rows_of_the_wrong_form(row: Any) -> None:
    assert "'t2'" in problems(lambda e: e.update(t2=row))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"engines": []}', "3", "[" * 200_000])
def test_files_of_the_wrong_form(text: str) -> None:
    with pytest.raises(CompileError, match="folding"):
        Folding.from_json(text, example())


def test_simd_may_be_left_out() -> None:
    program = example()
    found = json.loads(default_folding(program).to_json())
    found["engines"]["t2"] = {"pe": 2}
    assert Folding.from_json(json.dumps(found), program).engines["t2"] == Fold(2, 1)


def test_a_folding_of_another_program_is_refused() -> None:
    with pytest.raises(CompileError, match="no entry in the folding"):
        build_pipeline(example(), Folding({}))


def test_the_file_of_another_network_is_told_at_once() -> None:
    text = json.dumps({"engines": {f"far{k}": {"pe": 1} for k in range(40)}})
    with pytest.raises(CompileError, match=r"none of its 40 engines \(far0, far1, far2, \.\.\."):
        Folding.from_json(text, example())


def test_tvm_is_imported_only_to_compile() -> None:
    code = "import sys, n2uqc.backends.fpga; sys.exit('tvm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_origins_are_named() -> None:
    program = example()
    ops = tuple(replace(op, origin=(f"/layer/{op.output}",)) for op in program.ops)
    named = replace(program, ops=ops)
    folding = Folding({**default_folding(named).engines, "t0": Fold(4, 1)})
    with pytest.raises(CompileError, match="from /layer/t0"):
        folding.check(named)


def test_the_default_folding_fits_a_small_device() -> None:
    """Wide products go to DSPs: lanes within the budget of multipliers may exceed those."""
    b = Builder(0, 8, 8, 12, True)
    wide = b.finish(b.requantize(b.conv("x", 32, bits=12, odd=False, kernel=3)))
    by_lanes, chosen = plan(wide, default_folding(wide)), plan(wide)
    assert by_lanes.resources.dsp > BUDGET["dsp"]
    for name, most in BUDGET.items():
        assert getattr(chosen.resources - chosen.plumbing, name) <= most
    faster = plan(wide, default_folding(wide, cycles=chosen.interval - 1))
    assert faster.resources.dsp > BUDGET["dsp"]


def test_a_network_within_the_budget_is_folded_by_its_lanes() -> None:
    b = Builder(0, 8, 8, 2, False)
    small = b.finish(b.thresholds(b.conv("x", 16, bits=2, odd=True, kernel=3), 2))
    assert fitting_folding(small) == default_folding(small)


def test_a_form_is_kept_and_has_to_be_one_of_the_engine() -> None:
    program = example()
    name = next(e.name for e in engines_of(program) if e.kind == "matrix-vector")
    found = json.loads(default_folding(program).to_json())
    found["engines"][name] = {"pe": 1, "simd": 1, "form": "products"}
    folding = Folding.from_json(json.dumps(found), program)
    assert folding.forms == {name: "products"}
    assert Folding.from_json(folding.to_json(), program) == folding
    assert plan(program, folding).form(name) == "products"
    found["engines"][name]["form"] = "packed"  # with one result at a time there is nothing to pack
    with pytest.raises(CompileError, match='form "packed" in the folding'):
        Folding.from_json(json.dumps(found), program)
