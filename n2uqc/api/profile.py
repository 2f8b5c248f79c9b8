"""``profile``: instructions and estimated cycles of an artifact, kernel by kernel."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2uqc.backends import Artifact, open_artifact, read_manifest
from n2uqc.backends.cpu.profile import Profile, Row, default_core, profile_artifact
from n2uqc.frontend.escape import plain
from n2uqc.frontend.sheet import Column, Sheet, name_column
from n2uqc.passes.program import quantize_inputs
from n2uqc.passes.program.named import Batch, samples

from .clock import require_clock
from .errors import UserError, names_missing_parts
from .progress import SILENT, Progress
from .result import Result

CLOCK = 1000.0
"""MHz at which a time is stated if none is named."""


@dataclass(frozen=True, repr=False)
class KernelProfile(Result):
    """What one sample takes, kernel by kernel.

    Attributes:
        counted: instructions, which are exact, and estimated cycles.
        hint: why cycles were not estimated; "" if they were.
        clock: MHz for which the cycles are stated as a time.
    """

    counted: Profile
    hint: str = ""
    clock: float = CLOCK

    @property
    def rows(self) -> tuple[Row, ...]:
        """The kernels in order of execution."""
        return self.counted.rows

    @property
    def instructions(self) -> int:
        """Executed instructions."""
        return self.counted.instructions

    @property
    def cycles(self) -> float | None:
        """Estimated cycles of ``core``; None if they were not estimated."""
        return self.counted.cycles

    @property
    def core(self) -> str:
        """The core that cycles were estimated for; "" for none."""
        return self.counted.core

    @property
    def milliseconds(self) -> float | None:
        """Estimated time at ``clock``; None if cycles were not estimated."""
        return None if self.cycles is None else self.cycles / self.clock / 1000

    @property
    def dominant(self) -> Row | None:
        """The kernel that takes most: of the cycles, or of the instructions if there are none."""
        return max(self.rows, key=_taken, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; cycles are null if they were not estimated."""
        found = self.counted
        return {
            "instructions": found.instructions,
            "macs": found.macs,
            "estimated_cycles": found.cycles,
            "core": found.core or None,
            "clock_mhz": self.clock if found.core else None,
            "estimated_ms": self.milliseconds,
            "dominant": self.dominant.symbol if self.dominant else None,
            "estimator": found.estimator or None,
            "kernels": [
                {
                    "symbol": row.symbol,
                    "operations": list(row.operations),
                    "computes": row.computes,
                    "kernel": row.kernel,
                    "macs": row.macs,
                    "instructions": row.instructions,
                    "macs_per_instruction": row.macs_per_instruction,
                    "estimated_cycles": row.cycles,
                }
                for row in found.rows
            ],
        }

    def summary(self) -> str:
        text = f"{len(self.rows)} kernels, {self.instructions:,} instructions"
        return text if self.cycles is None else f"{text}, about {self.cycles:,.0f} cycles"

    def write(self, sheet: Sheet) -> None:
        found = self.counted
        columns = [
            name_column("layer"),
            Column("computes", left=True, least=8, end=True, drop=2),
            Column("kernel", left=True, least=10),
            Column("MAC", drop=4),
            Column("instructions"),
            Column("share", drop=5),
            Column("MAC/instr", drop=3),
        ]
        if found.core:
            columns += [Column("est. cycles"), Column("share", drop=1)]
        rows = []
        for row in found.rows:
            rate = row.macs_per_instruction
            cells = [
                row.operations[0] if row.operations else "",
                row.computes.replace("_", " "),
                row.kernel,
                row.macs or None,
                row.instructions,
                f"{row.instructions / max(found.instructions, 1):.1%}",
                f"{rate:.2f}" if rate else "",
            ]
            if found.core:
                cycles = row.cycles or 0.0
                cells += [f"{cycles:,.0f}", f"{cycles / max(found.cycles or 0.0, 1):.1%}"]
            rows.append(cells)
        sheet.table(columns, rows)
        text = f"{found.instructions:,} instructions"
        if found.macs:
            rate = found.macs / max(found.instructions, 1)
            text += f", {found.macs:,} MAC, {rate:.2f} an instruction"
        sheet.line(text)
        if found.cycles is not None:
            sheet.line(
                f"about {found.cycles:,.0f} cycles on {found.core}: an estimate of "
                f"{found.estimator} without caches and branch mispredictions"
            )
            sheet.line(
                f"about {self.milliseconds:,.3g} ms at {self.clock:,.6g} MHz; "
                "--clock states another one"
            )
        if top := self.dominant:
            share = _taken(top) / max(sum(map(_taken, self.rows)), 1)
            name = top.operations[0] if top.operations else top.symbol
            sheet.line(
                f"most is taken by {plain(name)} ({top.kernel}): {share:.0%} of the "
                f"{'cycles' if found.core else 'instructions'}"
            )
        if self.hint:
            sheet.line(self.hint)


def _taken(row: Row) -> float:
    return row.instructions if row.cycles is None else row.cycles


@names_missing_parts
def profile(
    artifact: Artifact | Path | str,
    x: Batch | None = None,
    *,
    core: str | None = None,
    clock: float = CLOCK,
    progress: Progress = SILENT,
) -> KernelProfile:
    """Run one sample of an ARM artifact under emulation and count every kernel's instructions.

    Args:
        artifact: what ``compile`` returned, or the folder where it was saved.
        x: images as the network takes them, of which the first is run; random integers if None,
            which count the same: only on RISC-V, without conditional moves, do branches depend
            on data.
        core: core to estimate cycles for, as LLVM names it; if None the one that the artifact was
            compiled for, else cortex-a72, where llvm-mca is installed.
        clock: MHz at which the estimated cycles are stated as a time.
        progress: what is told of the work.

    Raises:
        CompileError: the artifact is not for an ARM processor, is damaged, or the core is unknown.
        ToolchainError: unicorn is not installed; or, if a core is named, llvm-mca.
        InputError: the images do not fit.
        UserError: there is no image in ``x``, or the clock is no positive number.
    """
    require_clock(clock)
    if isinstance(artifact, Artifact):
        if artifact.folder is None:
            with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
                saved = artifact.save(Path(place, "artifact"))
                return profile(saved, x, core=core, clock=clock, progress=progress)
        artifact = artifact.folder
    folder = Path(artifact)
    manifest = read_manifest(folder)
    named, hint = (core, "") if core else default_core(manifest)
    sample = None
    if x is not None:
        given = quantize_inputs(open_artifact(folder).program, x)
        if not samples(given):
            raise UserError("there is no image to run")
        sample = {name: value[0] for name, value in given.items()}
    with progress.counting(len(manifest.get("kernels", ())), "counting") as advance:
        found = profile_artifact(
            folder, sample, core=named or "", progress=lambda symbol: advance(1)
        )
    return KernelProfile(found, hint, clock)
