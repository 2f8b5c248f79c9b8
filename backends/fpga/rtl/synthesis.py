"""What yosys makes of single engines: LUT, FF, carry, DSP, block RAM beside the estimate."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from amaranth.back import rtlil

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..design import Design
from ..engines import Engine
from ..hdl.amaranth import KEEP, Hardware
from ..hdl.families import FAMILIES, Family
from ..hdl.module import Module
from ..units import Style, unit_of
from .verilog import find_yosys, run_yosys


@dataclass(frozen=True)
class Synthesized:
    """Cells of an engine.

    Attributes:
        lut: LUTs, those used as memory or shift register included; an ECP5 carry cell (CCU2C) is
            two of them.
        memory_lut: of these, memories and shift registers.
        ff: flip-flops.
        carry: carry cells (CARRY4 of 4 bits, CCU2C of 2).
        dsp: multiplier blocks.
        bram18: block RAMs of 18 Kbit; one of 36 Kbit counts as two.
    """

    lut: int
    memory_lut: int
    ff: int
    carry: int
    dsp: int
    bram18: int


BATCH = 6
"""Engines in one run of yosys."""

_MEMORY_LUTS = {
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "TRELLIS_DPR16X4": 6,  # four bits of data, two LUTs of a slice for the address
    "RAM16SDP4": 8,  # a configurable unit
}


def synthesize(engine: Engine, family: str = "xc7", form: str = "") -> Synthesized:
    """Run yosys on one engine, as it stands in the datapath (no FIFO).

    Args:
        engine: of a pipeline, folded.
        family: of ``hdl.families.FAMILIES``.
        form: one of ``engine.forms``; the first one by default.

    Raises:
        CompileError: another family; ToolchainError where there is no yosys or it fails.
    """
    return synthesize_all([(engine, form)], family)[0]


def synthesize_all(engines: Sequence[tuple[Engine, str]], family: str) -> list[Synthesized]:
    """Run yosys once on several engines in their forms; most of a run is reading libraries.

    Each is a module whose boundary is kept, so the result is that of a run of its own.

    Raises:
        CompileError: another family; ToolchainError where there is no yosys or it fails.
    """
    if family not in FAMILIES:
        raise CompileError(
            Problem(
                node="", op="", found=f"synthesis for {family!r}", supported=", ".join(FAMILIES)
            )
        )
    device = FAMILIES[family]
    return synthesize_modules([unit_of(e, Style(form, device)) for e, form in engines], device)


def synthesize_modules(modules: Sequence[Module], family: Family) -> list[Synthesized]:
    """Run yosys once on several modules, each as if it were alone.

    Raises:
        ToolchainError: there is no yosys, or it fails.
    """
    names = [f"engine{k}" for k in range(len(modules))]
    instances = "".join(f"(* keep *) {name} i_{name}();\n" for name in names)
    files = {"top.v": f"module top();\n{instances}endmodule\n"}
    for name, module in zip(names, modules, strict=True):
        unit = Hardware(module)
        files[f"{name}.il"] = rtlil.convert(unit, name=name, ports=list(unit.ports.values()))
    script = "".join(f"read_rtlil {name}.il\n" for name in names) + (
        f"setattr -mod -set keep_hierarchy 1 {' '.join(names)}\n{KEEP}\nread_verilog top.v\n"
        f"{family.script}\ntee -q -o stat.json stat -json\n"
    )
    said = run_yosys(script, files, "stat.json")
    found = json.loads(said[said.index("{") :])["modules"]
    cells = {name: Counter[str]() for name in names}
    for module_name, stat in found.items():
        owner = module_name.removeprefix("\\").split(".")[0]
        if owner in cells:
            cells[owner].update(stat.get("num_cells_by_type", {}))
    return [cells_of(cells[name], family.id.split()[0]) for name in names]


def cells_of(cells: Mapping[str, int], family: str) -> Synthesized:
    """Return what the cells of a family, by type, amount to."""

    def count(*prefixes: str) -> int:
        return sum(n for name, n in cells.items() if name.startswith(prefixes))

    memory = sum(n * cells.get(name, 0) for name, n in _MEMORY_LUTS.items())
    if family in ("xc7", "xcup"):
        return Synthesized(
            count("LUT") + memory,
            memory,
            count("FD"),
            count("CARRY"),
            count("DSP48"),
            count("RAMB18") + 2 * count("RAMB36"),
        )
    if family == "ice40":
        lut, carry = count("SB_LUT4"), count("SB_CARRY")
        blocks = count("SB_RAM40_4K")
        return Synthesized(lut, 0, count("SB_DFF"), carry, count("SB_MAC16"), blocks)
    if family == "gowin":
        carry, blocks = cells.get("ALU", 0), count("SDP", "SP", "DPB", "DPX9B", "pROM")
        lut = count("LUT") + carry + memory
        return Synthesized(lut, memory, count("DFF"), carry, count("MULT"), blocks)
    carry = count("CCU2C")
    return Synthesized(
        count("LUT4") + 2 * carry + memory,
        memory,
        count("TRELLIS_FF"),
        carry,
        count("MULT"),
        count("DP16KD", "PDPW16KD"),
    )


@cache
def yosys_version() -> str:
    """Return the tool's own first line about itself: results depend on it."""
    done = subprocess.run([*find_yosys(), "-V"], capture_output=True, text=True)
    return done.stdout.strip().split(" (")[0]


def synthesis_rows(
    design: Design, *, progress: Callable[[str], None] = lambda step: None
) -> Iterator[dict[str, Any]]:
    """Return what was counted of each engine beside what yosys makes of it.

    Args:
        design: the datapath.
        progress: told which engine is being synthesized.
    """
    indices = [k for k, engine in enumerate(design.pipeline.engines) if engine.op is not None]
    for start in range(0, len(indices), BATCH):
        batch = [(design.pipeline.engines[k], k) for k in indices[start : start + BATCH]]
        progress(f"synthesizing {', '.join(engine.name for engine, _ in batch)}")
        found = synthesize_all([(e, design.forms[k]) for e, k in batch], design.family.id)
        for (engine, k), cells in zip(batch, found, strict=True):
            counted = design.cells[k].total
            yield {
                "name": engine.name,
                "kind": engine.kind,
                "form": design.forms[k],
                "pe": engine.fold.pe,
                "simd": engine.fold.simd,
                **asdict(cells),
                **{f"estimated_{name}": value for name, value in asdict(counted).items()},
            }
