"""No kernel reads or writes outside the caller's buffers, not even what it then ignores."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, toolchain
from n2uqc.backends.cross import CROSS
from n2uqc.backends.emulation import run_program
from n2uqc.passes.program import Program, run
from tests.properties.awkward import awkward_programs

from .any_kernel import any_kernel

TARGETS = ("host", "host x86-64", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "armv7")
SOURCE = Path(__file__).with_name("guarded.c")


def check(target: str, program: Program, x: np.ndarray, folder: Path) -> None:
    name, _, mcpu = target.partition(" ")
    place = compile_program(program, name, mcpu=mcpu or None).save(folder / "net")
    manifest = read_manifest(place)
    architecture = manifest["architecture"]
    sizes = [
        int(np.prod(manifest[k]["shape"])) * np.dtype(manifest[k]["dtype"]).itemsize
        for k in ("input", "output")
    ]
    values = zip(
        ("INPUT", "OUTPUT", "WORKSPACE"), [*sizes, manifest["workspace_bytes"]], strict=True
    )
    toolchain.find(architecture, native=name == "host").executable(
        [SOURCE, place / manifest["library"]],
        folder / "guarded",
        [f"-DRUN={manifest['function']}", *(f"-D{k}_BYTES={v}" for k, v in values)],
    )
    x.astype(manifest["input"]["dtype"]).tofile(folder / "x.raw")
    done = run_program(
        folder / "guarded",
        [str(folder / "x.raw"), str(folder / "y.raw")],
        architecture,
        manifest["emulated"],
        manifest["needs"],
    )
    assert done.code == 0, done
    y = np.fromfile(folder / "y.raw", manifest["output"]["dtype"])
    want = run(program, x).repeat(2, axis=0)
    np.testing.assert_array_equal(y.reshape(want.shape), want)


def bounds_hold(target: str, examples: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = find_target(target.split()[0]).processor.architecture
    emulator = CROSS[architecture].emulator
    if architecture != toolchain.machine() and not shutil.which(emulator):
        pytest.skip("unicorn has no protected pages")
    if target == "host x86-64" and architecture != "x86_64":
        pytest.skip("a processor of other machines")
    any_kernel(monkeypatch, random.Random(1))

    @seed(examples)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(awkward_programs())
    def run_one(case: tuple[Program, np.ndarray]) -> None:
        check(target, *case, folder)

    run_one()


@pytest.mark.parametrize("target", TARGETS)
def test_bounds(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds_hold(target, 3, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_bounds_of_many(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds_hold(target, 100, tmp_path, monkeypatch)
