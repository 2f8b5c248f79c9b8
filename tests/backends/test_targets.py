"""Names of targets, and what they stand for."""

from __future__ import annotations

import pytest
from tvm.target import codegen

import n2uqc
from n2uqc.backends import TARGETS, Processor, Request, compile, find_target, listing
from n2uqc.backends.processors import PROCESSORS
from n2uqc.backends.tir import target_of
from n2uqc.frontend.diagnostics import CompileError


def asked(name: str, mcpu: str | None = None, mattr: tuple[str, ...] = ()) -> Processor:
    """A target's processor with a core and features put in."""
    return find_target(name).asked(Request(mcpu, mattr)).processor  # type: ignore[attr-defined]


LLVM = ("neon", "dotprod", "i8mm", "sse2", "avx2", "dsp")
"""Facts that LLVM has a feature of the same name for."""


@pytest.mark.parametrize("name", PROCESSORS)
def test_facts_are_what_llvm_knows_of_the_processor(name: str) -> None:
    processor = find_target(name).processor
    target = target_of(processor)
    known = {f for f in LLVM if codegen.target_has_features(f, target)}
    said = processor.facts & {*LLVM}
    if processor.architecture == "armv6":
        known |= {"dsp"}  # of ARMv6 itself: LLVM's feature is that of Thumb
    assert said <= known
    # LLVM's cores may have more than kernels make use of.
    assert known - said <= ({"dotprod"} if "i8mm" in said else set())
    assert processor.vectors.scalar == (
        processor.architecture not in ("x86_64", "aarch64", "armv7")
    )
    assert ("many-vectors" in processor.facts) == (processor.architecture == "aarch64")
    assert ("dual-issue" in processor.facts) == (name == "cortex-m7")
    assert {f for f in ("dotprod", "i8mm") if f in TARGETS[name].summary} <= said.union(
        *(level.facts for level in processor.levels)
    )


def test_a_fact_that_nobody_states_is_an_error() -> None:
    with pytest.raises(ValueError, match="no fact 'sve'"):
        find_target("aarch64").processor.vectors.has("sve")


def test_features_join_in_any_order() -> None:
    assert find_target("aarch64+i8mm+dotprod").processor.features == ("+dotprod", "+i8mm")
    assert find_target("aarch64+dotprod+i8mm").processor.features == ("+dotprod", "+i8mm")
    assert find_target("aarch64+i8mm").processor.features == ("+dotprod", "+i8mm")


@pytest.mark.parametrize("name", ["", "+dotprod", "aarch64+", "aarch64+avx2", "cortex-a53+dotprod"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(CompileError, match=r"there is no target[\s\S]*aarch64\+dotprod"):
        find_target(name)


def test_choices_beyond_a_name() -> None:
    assert find_target("aarch64").processor.emulated == "cortex-a53"
    chosen = asked("aarch64", "cortex-a76", ("+i8mm",))
    assert (chosen.cpu, chosen.features, chosen.emulated) == ("cortex-a76", ("+i8mm",), "max")
    assert chosen.needs == {"dotprod", "i8mm"}
    assert asked("cortex-m", "cortex-m0") == find_target("cortex-m0").processor
    joined = asked("aarch64+dotprod", "cortex-a53")
    assert (joined.needs, joined.emulated) == ({"dotprod"}, "max")
    bare = asked("armv7", mattr=("-neon",))
    assert bare.vectors.scalar and not bare.needs


@pytest.mark.parametrize(
    ("target", "mcpu", "message"),
    [
        ("armv7", "arm1176jzf-s", r"cortex-a15, [\s\S]*--target arm1176jzf-s"),
        ("armv7", "cortex-m4", r"--target cortex-m4"),
        ("cortex-m", "cortex-m23", r"cortex-m0, cortex-m0plus, cortex-m3, cortex-m33"),
        ("aarch64", "apple-m1", r"no processor 'apple-m1'[\s\S]*cortex-a53"),
    ],
)
def test_processors_that_nothing_here_can_run_are_refused(
    target: str, mcpu: str, message: str
) -> None:
    with pytest.raises(CompileError, match=message):
        asked(target, mcpu)


@pytest.mark.parametrize(
    ("target", "feature", "message"),
    [
        ("aarch64", "+sve", r"no feature 'sve'[\s\S]*\+dotprod, -dotprod"),
        ("aarch64", "dotprod", "has no sign"),
        ("cortex-m4", "+mve", "supported: none"),
    ],
)
def test_features_that_kernels_do_not_know_are_refused(
    target: str, feature: str, message: str
) -> None:
    with pytest.raises(CompileError, match=message):
        asked(target, mattr=(feature,))


def test_the_listing_has_a_line_for_each() -> None:
    lines = listing().splitlines()
    assert [line.split()[0] for line in lines] == [*TARGETS]
    assert {"host", "aarch64", "fpga", "program"} <= {*TARGETS}
    assert all(len(line) <= 100 for line in lines)


def test_what_is_no_program_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"n2uqc\.load gives one, not 'net\.onnx'"):
        compile("net.onnx", target="host")
    with pytest.raises(TypeError, match="given as the path of a file"):
        n2uqc.compile(3, target="host")
