"""Verilog of tables of constants.

It is written here, without Amaranth and yosys: these take a network's weights bit by bit, which
is most of the time for millions of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..hdl.amaranth import rom_module
from ..hdl.module import Module
from ..hdl.stores import Table


def roms(module: Module) -> Iterator[str]:
    """Yield a Verilog module for each table of a module, not of those inside."""
    for table in module.tables:
        yield _rom(rom_module(module, table), table)


def _rom(name: str, table: Table) -> str:
    width, digits = table.width, -(-table.width // 4)
    packed = np.packbits(table.bits, axis=1, bitorder="little")[:, ::-1].tobytes().hex()
    whole = digits + digits % 2  # of bytes
    words = (packed[k + whole - digits : k + whole] for k in range(0, len(packed), whole))
    lines = [
        f"module \\{name} (clk, address, data);",
        "  input clk;",
        f"  input [{(table.rows - 1).bit_length() - 1}:0] address;",
        f"  output reg [{width - 1}:0] data;",
        f"  reg [{width - 1}:0] memory [0:{table.rows - 1}];",
        "  initial begin",
        *(f"    memory[{k}] = {width}'h{word};" for k, word in enumerate(words)),
        "  end",
        "  always @(posedge clk) data <= memory[address];",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"
