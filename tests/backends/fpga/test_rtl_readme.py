"""The page of a folder of hardware against the Verilog, the vectors and the design."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import default_folding, plan
from n2uqc.backends.fpga.rtl.write import IMAGES
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import Program

from ...frontend.networks import build
from .rtl_cases import residual
from .test_rtl_readers import emitted, make


def two_ends() -> Program:
    """Return a program of two inputs and two outputs."""
    x, y = "float[N,2,4,4] x, float[N,2,4,4] m", "float[] s, float[] r"
    return compile_graph(load_graph(build("s = Add (x, m) r = Relu (s)", {}, x=x, y=y)))


def ports(verilog: str) -> dict[str, tuple[str, int]]:
    """Direction and bits of each port of the top module."""
    top = verilog[verilog.index("module n2uq_datapath(") :].partition("endmodule")[0]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", top, re.MULTILINE)
    return {name: (way.removesuffix("put"), int(high or 0) + 1) for way, high, name in found}


@pytest.mark.parametrize("ends", [1, 2])
def test_ports_and_streams_are_those_of_the_files(ends: int, tmp_path: Path) -> None:
    program = residual() if ends == 1 else two_ends()
    design = plan(program, default_folding(program, lanes=16))
    emitted(program, design.folding, tmp_path)
    page = (tmp_path / "README.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| (in|out) \| (\d+) \|", page, re.MULTILINE)
    assert {n: (w, int(b)) for n, w, b in told} == ports((tmp_path / "datapath.v").read_text())
    streams = re.findall(
        r"^\| `(\w)_axis(\w*)` \| ([\d, ]+) \| (\d+) \| (\d+), .*? \| ([\d,]+) \|",
        page,
        re.MULTILINE,
    )
    assert len(streams) == 2 * ends
    for side, suffix, shape, lanes, bits, tokens in streams:
        file = tmp_path / f"{'input' if side == 's' else 'output'}{suffix}.mem"
        words = file.read_text().split()
        count = int(tokens.replace(",", ""))
        assert len(words) == IMAGES * count
        height, width, channels = map(int, shape.split(", "))
        assert height * width * channels == count * int(lanes)
        assert all(int(word, 16) < 1 << int(lanes) * int(bits) for word in words)
    cells, timing = design.resources, design.timing
    assert f"{cells.lut:,} LUT, {cells.ff:,} FF, {cells.carry:,} carry, {cells.dsp} DSP" in page
    assert f"Latency {timing.latency:,} cycles, initiation interval {timing.interval:,}" in page
    named = set(re.findall(r"`([\w*]+\.\w+)`", page[page.index("## Files") :]))
    own = {"datapath.txt", "datapath.json", "folding.json", "program.n2uq", "manifest.json"}
    assert all(any(tmp_path.glob(name)) for name in named - own)


def test_waves_are_written(tmp_path: Path) -> None:
    if not shutil.which("iverilog"):
        pytest.skip("no Icarus Verilog: apt install iverilog")
    program = two_ends()
    emitted(program, default_folding(program, lanes=16), tmp_path)
    assert "PASS" in make("wave", tmp_path)
    assert (tmp_path / "build" / "wave.fst").stat().st_size > 1000
