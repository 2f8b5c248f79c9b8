"""Folding search: the rate is met, the budget kept, and nothing cheaper was overlooked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga import Folding, build_pipeline, simulate_timing
from n2uqc.backends.search import DEVICES, find_device, price, search
from n2uqc.backends.search.finder import cycles_for
from n2uqc.backends.search.result import RESOURCES
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes import load
from n2uqc.passes.program import Program

from ..fpga.cases import folded_codebooks, folded_programs

ZOO = Path(__file__).parents[3] / "models" / "zoo"


@pytest.fixture(scope="module")
def digits() -> Program:
    return load(ZOO / "digits_2bit.onnx")


@settings(max_examples=40, deadline=None)
@given(folded_programs() | folded_codebooks(), st.integers(0, 5))
def test_a_rate_is_met_by_the_simulated_pipeline(case: Any, slack: int) -> None:
    program, _, _ = case
    with pytest.raises(CompileError) as caught:
        search(program, target_fps=1e8, clock_hz=1.5e8)  # one cycle per image
    floor = int(str(caught.value).split("fastest folding takes ")[1].split()[0])
    result = search(program, target_fps=1e8 / (floor << slack), clock_hz=1e8)
    timing = simulate_timing(build_pipeline(program, result.folding))
    assert timing.interval == result.interval <= floor << slack
    assert result.fps >= 1e8 / (floor << slack)
    again = Folding.from_json(json.dumps(result.to_dict()), program)
    assert again.engines == result.folding.engines
    parts = [cells.lut for _, cells in result.engines.values()]
    assert result.total.lut == sum(parts) + result.design.plumbing.lut


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**7), st.floats(1e6, 1e9))
def test_the_rate_of_some_cycles_is_reached_in_them(cycles: int, clock: float) -> None:
    assert cycles_for(clock / cycles, clock) == cycles
    assert cycles_for(clock / cycles * 1.0000001, clock) <= cycles - (cycles < 10**6)


def test_every_choice_is_the_cheapest_that_keeps_up(digits: Program) -> None:
    slow, fast = (search(digits, target_fps=r, technology="xc7") for r in (500, 50_000))
    assert slow.total.lut < fast.total.lut
    assert slow.interval > fast.interval
    assert all(e.cycles <= 100e6 / 50_000 for e in fast.design.engines.values())


OF_EACH_FAMILY = ("xc7z020", "xczu3eg", "ecp5-45", "gw2a-18")
"""Searched in every run; the other devices differ from them in size alone."""


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(d, marks=() if d in OF_EACH_FAMILY else pytest.mark.slow)
        for d in DEVICES
        if not d.startswith("ice40")
    ],
)
def test_the_fastest_folding_stays_within_the_device(device: str, digits: Program) -> None:
    result = search(digits, device=device, clock_hz=200e6)
    for resource in RESOURCES:
        assert getattr(result.total, resource) <= DEVICES[device].room(resource)
    assert result.rows()[-1]["lut"] == DEVICES[device].lut
    # the rate found is a rate that can be asked for
    same = search(digits, device=device, clock_hz=200e6, target_fps=result.fps * 0.999)
    assert same.interval <= result.interval * 1.002


@pytest.mark.parametrize("device", ["xc7z010", "ecp5-45"])
def test_a_device_is_filled_as_far_as_told(device: str, digits: Program) -> None:
    half, usual, whole = (search(digits, device=device, fill=fill) for fill in (45, None, 100))
    assert half.fps < usual.fps < whole.fps
    held = DEVICES[device]
    assert all(getattr(half.total, r) <= 0.45 * held.holds(r) for r in RESOURCES)
    assert usual.total.lut <= 0.7 * held.lut and usual.total.ff <= 0.5 * held.ff
    assert usual.total.dsp <= 0.8 * held.dsp and usual.total.bram18 <= 0.8 * held.bram18
    # a folding that was found for the whole device says what it lacks
    with pytest.raises(CompileError, match=r"too few, \d+% of \d+ \(--fill\)"):
        price(digits, whole.folding, device=device)
    assert price(digits, whole.folding, device=device, fill=100).rows() == whole.rows()


def test_larger_devices_are_not_slower(digits: Program) -> None:
    small = find_device("ecp5-45")
    rates = [
        search(
            digits,
            device=replace(
                small,
                lut=small.lut * k,
                ff=small.ff * k,
                dsp=small.dsp * k,
                bram18=small.bram18 * k,
            ),
        ).fps
        for k in (1, 2, 4)
    ]
    assert rates == sorted(rates)


def test_what_is_out_of_reach_says_by_how_much(digits: Program) -> None:
    with pytest.raises(CompileError, match=r"fastest folding takes 64[\s\S]*factor 6\.4"):
        search(digits, target_fps=1e7)
    with pytest.raises(CompileError, match=r"iCE40HX8K: \d+ too few"):
        search(digits, device="ice40hx8k")
    with pytest.raises(CompileError, match=r"conv1[\s\S]*DSP in ECP5 LFE5U-25F: \d+ too few"):
        search(digits, device="ecp5-25", target_fps=60_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither a rate nor a device"),
        ({"device": "xc7z999"}, "xc7z020"),
        ({"target_fps": 0}, "above 0"),
        ({"target_fps": 10, "clock_hz": -1}, "above 0"),
        ({"target_fps": 10, "technology": "stratix"}, "ecp5"),
        ({"device": "xc7z020", "fill": 0}, "at most 100 percent"),
        ({"target_fps": 10, "fill": 50}, "a fill without a device"),
        ({"device": "xc7z020", "fill": 101}, "at most 100 percent"),
    ],
)
def test_bad_requests(options: dict[str, Any], message: str, digits: Program) -> None:
    with pytest.raises(CompileError, match=message):
        search(digits, **options)


def test_a_rate_too_high_for_a_device_tells_the_highest_that_fits(digits: Program) -> None:
    best = search(digits, device="ecp5-25")
    with pytest.raises(CompileError, match=f"ecp5-25 holds at most {best.fps:.6g} images/s"):
        search(digits, device="ecp5-25", target_fps=1.5 * best.fps)
    with pytest.raises(CompileError, match=r"does not fit ice40up5k\n +hint: +a larger device"):
        search(digits, device="ice40up5k", target_fps=10)


def test_a_given_folding_is_priced_alike(digits: Program) -> None:
    found = search(digits, target_fps=5000, device="xc7z020")
    again = price(digits, found.folding, device="xc7z020", target_fps=5000)
    assert again.rows() == found.rows()
    with pytest.raises(CompileError, match=r"cycles or fewer for 1e\+06 images/s"):
        price(digits, found.folding, target_fps=1e6)
    with pytest.raises(CompileError, match=r"folding does not fit ice40up5k[\s\S]*too few"):
        price(digits, found.folding, device="ice40up5k")
