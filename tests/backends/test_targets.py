"""Names of targets, and what they stand for."""

from __future__ import annotations

import pytest

import n2uqc
from n2uqc.backends import TARGETS, find_target, is_target, listing
from n2uqc.backends.cpu.model import vectors_of
from n2uqc.backends.tir import llvm_target
from n2uqc.frontend.diagnostics import CompileError


@pytest.mark.parametrize("name", TARGETS)
def test_llvm_knows_every_target(name: str) -> None:
    processor = find_target(name).processor
    target = llvm_target(
        processor.triple, processor.cpu, processor.features, float_abi=processor.float_abi
    )
    features = vectors_of(target).features
    wanted = {f for f in ("dotprod", "i8mm") if f in TARGETS[name].summary}
    assert wanted <= features
    if processor.architecture == "aarch64":
        assert features - wanted <= ({"neon", "dotprod"} if "i8mm" in wanted else {"neon"})
    if processor.architecture == "armv7":
        assert "neon" in features
    if processor.architecture == "cortex-m":
        assert features - {"dual-issue"} == {"dsp"}
        assert ("dual-issue" in features) == (name == "cortex-m7")


def test_features_join_in_any_order() -> None:
    assert find_target("aarch64+i8mm+dotprod").processor.features == ("+dotprod", "+i8mm")
    assert find_target("aarch64+dotprod+i8mm").processor.features == ("+dotprod", "+i8mm")
    assert find_target("aarch64+i8mm").processor.features == ("+dotprod", "+i8mm")


@pytest.mark.parametrize("name", ["", "+dotprod", "aarch64+", "aarch64+avx2", "cortex-a53+dotprod"])
def test_names_that_are_none(name: str) -> None:
    assert not is_target(name)
    with pytest.raises(CompileError, match=r"there is no target[\s\S]*aarch64\+dotprod"):
        find_target(name)


def test_choices_beyond_a_name_run_on_a_processor_that_has_all() -> None:
    assert find_target("aarch64").processor.emulated == "cortex-a53"
    chosen = find_target("aarch64", "cortex-a76", ("+i8mm",)).processor
    assert (chosen.cpu, chosen.features, chosen.emulated) == ("cortex-a76", ("+i8mm",), "max")


def test_the_listing_has_a_line_for_each() -> None:
    lines = listing({"fpga": "a datapath"}).splitlines()
    assert [line.split()[0] for line in lines] == [*TARGETS, "fpga"]
    assert all(len(line) <= 100 for line in lines)


def test_what_is_no_program_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"n2uqc\.load gives one, not 'net\.onnx'"):
        n2uqc.compile("net.onnx", target="host")
