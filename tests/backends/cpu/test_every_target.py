"""The same bits on every target: random programs, any kernel that fits, all emulators.

Every object is looked through too: integer instructions only, nothing undefined.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, run_artifact, toolchain
from n2uqc.backends.cross import CROSS
from n2uqc.passes.program import Program, run
from tests.properties.awkward import awkward_programs
from tests.properties.heads import programs_with_heads
from tests.properties.programs import programs

from .any_kernel import any_kernel
from .disassembly import float_arithmetic, objects_of, symbols

TARGETS = (
    "host",
    "host x86-64",
    "aarch64",
    "aarch64+dotprod",
    "aarch64+i8mm",
    "cortex-a53",
    "neoverse-n1",
    "armv7",
    "armv6",
    "cortex-m0",
    "cortex-m4",
    "cortex-m7",
    "riscv64",
    "riscv32",
)
"""Names, and LLVM's name of another processor where one stands behind."""


def emulators(name: str) -> list[str]:
    """Commands that run programs of a target here, for ``$N2UQC_…_EMULATOR``."""
    processor = find_target(name).processor
    if processor.architecture == toolchain.machine():
        return [""]
    cross = CROSS[processor.architecture]
    options = processor.board.options if processor.board else ()
    found = (
        [" ".join((cross.emulator, cross.selects, processor.emulated, *options))]
        if shutil.which(cross.emulator)
        else []
    )
    here = importlib.util.find_spec("unicorn") and cross.unicorn
    return found + ["unicorn"] * bool(here)


def check(
    target: str, program: Program, x: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, mcpu = target.partition(" ")
    place = compile_program(program, name, mcpu=mcpu or None).save(folder / "net")
    manifest = read_manifest(place)
    (folder / "net.o").write_bytes(objects_of(place / manifest["library"])[0])
    assert float_arithmetic(folder / "net.o") == []
    assert [n for n, (_, s) in symbols(folder / "net.o").items() if s == "SHN_UNDEF"] == []
    want = run(program, x)
    variable = f"N2UQC_{manifest['architecture'].upper().replace('-', '_')}_EMULATOR"
    for emulator in emulators(name):
        with monkeypatch.context() as patch:
            patch.setenv(variable, emulator)
            np.testing.assert_array_equal(run_artifact(place, x), want, emulator)


def differences(target: str, examples: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if target == "host x86-64" and toolchain.machine() != "x86_64":
        pytest.skip("a processor of other machines")
    if not emulators(target.partition(" ")[0]):
        pytest.skip(f"no emulator of {target} is installed")
    source = random.Random(0)
    any_kernel(monkeypatch, source)

    @seed(examples)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs() | awkward_programs() | programs_with_heads())
    def run_one(case: tuple[Program, np.ndarray]) -> None:
        check(target, *case, folder, monkeypatch)

    run_one()


@pytest.mark.parametrize("target", TARGETS)
def test_random_programs(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differences(target, 4, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_random_programs(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differences(target, 150, tmp_path, monkeypatch)
