"""32-bit ARM Linux: binaries under every emulator."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest, run_artifact
from n2uqc.passes.program import Program, run

from .disassembly import symbols
from .host import SYMBOL, write_object

EMULATORS = ["qemu-arm -cpu cortex-a9"] if shutil.which("qemu-arm") else []
EMULATORS += ["unicorn"] if importlib.util.find_spec("unicorn") else []


@pytest.fixture(scope="module")
def artifact(network: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(network, "armv7").save(tmp_path_factory.mktemp("armv7") / "net")


@pytest.mark.parametrize("emulator", EMULATORS)
def test_equal_to_the_interpreter(
    emulator: str,
    artifact: Path,
    network: Program,
    samples: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("N2UQC_ARMV7_EMULATOR", emulator)
    np.testing.assert_array_equal(run_artifact(artifact, samples), run(network, samples))
    assert read_manifest(artifact)["emulated"] == "cortex-a9"


@pytest.mark.skipif("unicorn" not in EMULATORS, reason="unicorn is not installed")
def test_faults_of_files_are_told(artifact: Path, samples: np.ndarray, tmp_path: Path) -> None:
    from n2uqc.backends.emulation.linux import run_static

    driver = artifact / read_manifest(artifact)["driver"]
    paths = [str(tmp_path / name) for name in ("x.npy", "y.npy")]
    done = run_static(driver, paths, architecture="armv7")
    assert (done.code, "No such file" in done.errors) == (1, True)
    np.save(tmp_path / "x.npy", samples.astype(np.uint8))
    done = run_static(driver, [*paths, "--bench", "2"], architecture="armv7")
    assert (done.code, done.errors) == (0, "")
    assert done.output.startswith("2 runs")


def test_nothing_undefined(network: Program, tmp_path: Path) -> None:
    write_object(network, tmp_path / "n.o", "armv7")
    found = symbols(tmp_path / "n.o")
    assert [n for n, (bind, _) in found.items() if bind != "STB_LOCAL"] == [SYMBOL]
    assert [n for n, (_, section) in found.items() if section == "SHN_UNDEF"] == []
