"""AArch64 binaries under every emulator that this machine has; what unicorn's Linux refuses."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact, toolchain
from n2uqc.backends.emulation.elf import load_segments
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program, run

from ..cpu.networks import residual_network

EMULATORS = [name for name in ("qemu-aarch64", "qemu-aarch64-static") if shutil.which(name)]
if importlib.util.find_spec("unicorn"):
    EMULATORS.append("unicorn")
if toolchain.machine() == "aarch64":
    EMULATORS.append("")


@pytest.mark.parametrize("emulator", EMULATORS)
def test_equal_to_the_interpreter(
    emulator: str,
    aarch64_artifact: Path,
    network: Program,
    samples: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("N2UQC_AARCH64_EMULATOR", emulator)
    np.testing.assert_array_equal(run_artifact(aarch64_artifact, samples), run(network, samples))
    assert run_artifact(aarch64_artifact, samples[:0]).shape == (0, 1, 1, 10)


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_other_widths(bits: int, samples: np.ndarray, tmp_path: Path) -> None:
    program = residual_network(bits, seed=bits)
    folder = compile_program(program, "aarch64", mcpu="cortex-a76", mattr=("+dotprod",)).save(
        tmp_path / "net"
    )
    np.testing.assert_array_equal(run_artifact(folder, samples), run(program, samples))


unicorn_only = pytest.mark.skipif("unicorn" not in EMULATORS, reason="unicorn is not installed")


@unicorn_only
def test_files_that_no_argument_names_are_out_of_reach(
    aarch64_artifact: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    from n2uqc.backends.emulation.linux import run_static

    driver = (
        aarch64_artifact / json.loads((aarch64_artifact / "manifest.json").read_text())["driver"]
    )
    done = run_static(driver, [str(tmp_path / "none.npy"), str(tmp_path / "y.npy")])
    assert done.code == 1
    assert "No such file" in done.errors
    assert run_static(driver, []).code == 2
    np.save(tmp_path / "x.npy", samples.astype(np.int8))
    done = run_static(driver, [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")])
    assert done.code == 1
    assert "element type" in done.errors
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]
    np.save(tmp_path / "x.npy", samples.astype(np.uint8))
    done = run_static(driver, [str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--bench", "2"])
    assert (done.code, done.errors) == (0, "")
    assert done.output.startswith("2 runs")


def arm_program(instructions: list[int]) -> bytes:
    """A minimal static executable of a few instructions."""
    import struct

    code = struct.pack(f"<{len(instructions)}I", *instructions)
    start = 0x400000
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, 183, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    size = 120 + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + code


SVC, MOV_X8 = 0xD4000001, 0xD2800008


@unicorn_only
@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ([MOV_X8 | 999 << 5, SVC], "system call 999.*qemu-user"),
        ([0xF9400000 | 31 << 5, 0xD2800000, 0xF9400000], "crashed under unicorn"),
        ([0x00000000], "under unicorn"),
    ],
)
def test_unknown_calls_and_crashes_are_told(
    instructions: list[int], message: str, tmp_path: Path
) -> None:
    from n2uqc.backends.emulation.linux import run_static

    (tmp_path / "program").write_bytes(arm_program(instructions))
    with pytest.raises(CompileError, match=message):
        run_static(tmp_path / "program", [])


@unicorn_only
def test_exit_code(tmp_path: Path) -> None:
    from n2uqc.backends.emulation.linux import run_static

    (tmp_path / "program").write_bytes(arm_program([0xD2800000 | 42 << 5, MOV_X8 | 94 << 5, SVC]))
    assert run_static(tmp_path / "program", []).code == 42


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF",
        b"\x7fELF\x02\x01" + bytes(40),
        arm_program([0])[:100],
        arm_program([0]).replace(b"\xb7\x00", b"\x3e\x00", 1),
    ],
)
def test_what_is_no_static_arm_program(data: bytes) -> None:
    with pytest.raises(CompileError, match="not a static aarch64 Linux executable"):
        load_segments(data, "aarch64")
