"""Datapaths of drawn networks, held against a record: their engines, cycles, FIFOs, cells, modules
and costs."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.cost import compare
from n2uqc.backends.fpga import Folding, default_folding, describe, plan
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.hdl.amaranth import kinds
from n2uqc.backends.fpga.hdl.families import FAMILIES
from n2uqc.backends.fpga.rtl.roms import roms
from n2uqc.backends.fpga.rtl.tidy import fitted, tidy
from n2uqc.backends.fpga.rtl.verilog import to_rtlil
from n2uqc.backends.fpga.units.datapath import build_datapath
from n2uqc.backends.report import to_json
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program

from ...recorded import check, digest, drawn_program

NETWORKS = 30
AMARANTH = "0.5.10"
"""The version that wrote the modules of the record; another one may write them otherwise."""
_SOURCE = re.compile(r"^\s*attribute \\src .*\n", re.MULTILINE)


def folding_of(program: Program, number: int) -> Folding:
    """A folding of few multipliers, of some, or of very few."""
    lanes = (24, 48, 8)[number % 3]
    return default_folding(program, lanes=max(lanes, len([*engines_of(program)])))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("k", range(NETWORKS))
def test_recorded_datapaths(k: int, tmp_path: Path) -> None:
    found = {}
    try:
        _, program = drawn_program(f"datapath {k}", tmp_path)
        design = plan(program, folding_of(program, k), family=sorted(FAMILIES)[k % len(FAMILIES)])
    except CompileError:
        check("datapaths", f"{k:02}", {"network": "refused"})
        return
    found["cycles"] = digest(json.dumps(describe(design.pipeline, design.timing)))
    found["cells"] = digest(f"{design.cells} {design.fifos}")
    found["costs"] = digest(json.dumps(to_json(compare(design))))
    check("datapaths", f"{k:02}", found)
    if importlib.metadata.version("amaranth") != AMARANTH:
        pytest.skip(f"modules are recorded with Amaranth {AMARANTH}")
    module = build_datapath(design.pipeline, design.depths, design.style).module
    files = fitted(to_rtlil(module))
    tidied = [tidy(_SOURCE.sub("", files[name])) for name in sorted(files)]
    tables = [text for each in (module, *kinds(module)) for text in roms(each)]
    found = {f"{len(files)} files": digest("".join(tidied)), "constants": digest("".join(tables))}
    check("modules", f"{k:02}", found)
