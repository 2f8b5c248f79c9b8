"""A module in Icarus Verilog: what its outputs say, cycle by cycle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.rtl.verilog import find_yosys, to_verilog
from n2uqc.backends.toolchain import ToolchainError


def icarus(
    module: Module, given: Mapping[str, Sequence[int]], folder: Path
) -> dict[str, list[int]]:
    """Run a module's Verilog, an input of each port a cycle, as unsigned numbers.

    Returns:
        what each output says in the cycle of each input, as unsigned numbers.
    """
    if not shutil.which("iverilog"):
        pytest.skip("no Icarus Verilog: apt install iverilog")
    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))
    cycles = len(next(iter(given.values())))
    widths = {name: word.width for name, word in module.inputs.items()}
    rows = []
    for cycle in range(cycles):
        row, at = 0, 0
        for name, width in widths.items():
            row |= (given[name][cycle] & ((1 << width) - 1)) << at
            at += width
        rows.append(f"{row:x}\n")
    (folder / "given.mem").write_text("".join(rows))
    (folder / "unit.v").write_text(to_verilog(module))
    (folder / "bench.v").write_text(_bench(module, widths, cycles))
    subprocess.run(
        ["iverilog", "-g2005", "-o", "bench", "bench.v", "unit.v"], cwd=folder, check=True
    )
    done = subprocess.run(["vvp", "-n", "bench"], cwd=folder, check=True, capture_output=True)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert len(lines) == cycles, done.stdout[-500:]
    return {
        name: [int(line[k], 16) if "x" not in line[k].lower() else -1 for line in lines]
        for k, name in enumerate(module.outputs)
    }


def _bench(module: Module, widths: Mapping[str, int], cycles: int) -> str:
    total, at, ports, wires = sum(widths.values()), 0, [], []
    for name, width in widths.items():
        ports.append(f".{name}(row[{at + width - 1}:{at}])")
        at += width
    for name, word in module.outputs.items():
        wires.append(f"wire [{word.width - 1}:0] y_{name};\n")
        ports.append(f".{name}(y_{name})")
    shown = " ".join("%h" for _ in module.outputs)
    values = ", ".join(f"y_{name}" for name in module.outputs)
    return (
        f"module bench;\nreg [{total - 1}:0] rows [0:{cycles - 1}];\nreg [{total - 1}:0] row;\n"
        f"reg clk = 0, rst = 1;\ninteger k;\n{''.join(wires)}"
        f"{module.name} unit(.clk(clk), .rst(rst), {', '.join(ports)});\n"
        'initial begin\n$readmemh("given.mem", rows);\nrow = 0;\n'
        "#1 clk = 1; #1 clk = 0; rst = 0;\n"
        f"for (k = 0; k < {cycles}; k = k + 1) begin\nrow = rows[k];\n"
        f'#1 $display("{shown}", {values});\nclk = 1;\n#1 clk = 0;\nend\n$finish;\nend\nendmodule\n'
    )
