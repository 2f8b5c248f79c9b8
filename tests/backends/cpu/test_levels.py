"""A library with several levels of AArch64: each call takes the best that the processor has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest, run_artifact
from n2uqc.backends.cpu.levels import chosen_at_run_time
from n2uqc.backends.cpu.profile import profile_artifact
from n2uqc.backends.processors import PROCESSORS
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program, run

from .networks import residual_network

USES = {"cortex-a53": "", "cortex-a76": "dotprod", "max": "i8mm"}
"""Cores of qemu, and the need of the level that runs there."""


@pytest.fixture(scope="module")
def small() -> Program:
    return residual_network(3)


@pytest.fixture(scope="module")
def folder(small: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(small, "aarch64+auto").save(tmp_path_factory.mktemp("auto") / "net")


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64")
@pytest.mark.parametrize("core", USES)
def test_each_core_runs_its_level(
    core: str, small: Program, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """qemu's log names the functions that were translated: of one level alone."""
    kind = small.types[small.input]
    x = np.random.default_rng(0).integers(kind.lo, kind.hi + 1, (3, *kind.shape))
    log = tmp_path / "log"
    monkeypatch.setenv("N2UQC_AARCH64_EMULATOR", f"qemu-aarch64 -cpu {core} -d in_asm -D {log}")
    np.testing.assert_array_equal(run_artifact(folder, x), run(small, x))
    text = log.read_text()
    found = {need for need, op in (("dotprod", "[su]dot"), ("i8mm", "[su]+mmla")) if
             re.search(rf"\b{op}\b", text) or _encoded(text, need)}  # fmt: skip
    assert USES[core] in found or not USES[core]
    assert found <= {USES[core]}


def _encoded(log: str, need: str) -> bool:
    """Return whether qemu's log holds an encoding, for its own disassembler lacks new ones.

    SDOT, UDOT by vector and by element; SMMLA, UMMLA, USMMLA (Arm Architecture Reference Manual).
    """
    words = [int(word, 16) for word in re.findall(r"^0x[0-9a-f]+:\s+([0-9a-f]{8})\b", log, re.M)]
    forms = {
        "dotprod": ((0xBFE0FC00, 0x0E809400), (0xBFC0F400, 0x0F80E000), (0xBFE0FC00, 0x2E809400)),
        "i8mm": ((0xFFE0FC00, 0x4E80A400), (0xFFE0FC00, 0x6E80A400), (0xFFE0FC00, 0x4E80AC00)),
    }
    return any(word & mask == form for word in words for mask, form in forms[need])


def test_the_library_says_what_it_holds(folder: Path) -> None:
    manifest = read_manifest(folder)
    levels = [kernel["level"] for kernel in manifest["kernels"]]
    assert [*dict.fromkeys(levels)] == ["i8mm", "dotprod", "base"]
    assert manifest["needs"] == []
    header = (folder / manifest["header"]).read_text()
    assert "kernels for i8mm, dotprod, base" in header and "getauxval" in header
    with pytest.raises(CompileError, match="compile for aarch64, aarch64.dotprod or"):
        profile_artifact(folder)


def test_a_core_beside_it_is_refused(small: Program) -> None:
    with pytest.raises(CompileError, match="takes no core or feature"):
        compile_program(small, "aarch64+auto", mcpu="cortex-a76")


def test_a_level_is_taken_only_with_all_it_needs() -> None:
    best = PROCESSORS["aarch64+i8mm"].processor
    text = chosen_at_run_time("f", [("g", best), ("h", PROCESSORS["aarch64"].processor)])
    assert [line for line in text.splitlines() if "getauxval(" in line or " and " in line] == [
        "declare i64 @getauxval(i64)",
        "  %all.0.dotprod = call i64 @getauxval(i64 16)",
        "  %one.0.dotprod = and i64 %all.0.dotprod, 1048576",
        "  %all.0.i8mm = call i64 @getauxval(i64 26)",
        "  %one.0.i8mm = and i64 %all.0.i8mm, 8192",
    ]
