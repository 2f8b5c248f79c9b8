"""Single engines through yosys."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, plan
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.rtl import emit
from n2uqc.backends.fpga.rtl.synthesis import synthesis_rows, synthesize, yosys_version
from n2uqc.backends.fpga.rtl.verilog import find_yosys
from n2uqc.backends.toolchain import ToolchainError
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Add, Program

from ...properties.programs import Builder
from .test_timing import finished


@pytest.fixture(scope="module", autouse=True)
def _yosys() -> None:
    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))


def adder() -> Program:
    b = Builder(1, 4, 4, 12, True)
    return finished(b, b.add(Add, "x", "x"))


def test_an_adder_is_a_lut_a_bit_and_lane() -> None:
    (engine,) = engines_of(adder())
    bits = engine.output.bits
    one, four = (synthesize(engine.folded(Fold(pe))) for pe in (1, 4))
    assert bits - 2 <= one.lut <= bits + 8
    assert 3 * (bits - 2) <= four.lut - one.lut + 8 <= 3 * (bits + 2) + 16
    assert (one.dsp, one.bram18, one.memory_lut) == (0, 0, 0)
    assert one.carry >= bits // 4 - 1
    with pytest.raises(CompileError, match="xc7, ecp5"):
        synthesize(engine, "stratix")


def test_rows_hold_counts_beside_cells() -> None:
    program = adder()
    folding = Folding({program.output: Fold(2)})
    (row,) = synthesis_rows(plan(program, folding, family="ecp5"))
    assert row["name"] == program.output and row["pe"] == 2
    assert row["estimated_lut"] == pytest.approx(2 * program.types[program.output].bits, rel=0.2)
    assert row["lut"] > 0 and row["carry"] > 0
    assert yosys_version().startswith("Yosys")


def test_emitted_verilog_keeps_what_synthesis_is_asked_for() -> None:
    """A line buffer read at several places asks for LUT memory; no path of a source is told."""
    b = Builder(3, 8, 4, 3, False)
    program = finished(b, b.conv("x", 4, bits=2, kernel=3))
    verilog = emit(plan(program, Folding({program.output: Fold(1, 36)})))["datapath.v"].decode()
    assert '(* ram_style = "distributed" *)' in verilog
    assert "(* src" not in verilog and "(* generator" not in verilog
