"""What an image takes on a named processor, beside the hardware's cost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import Progress

if TYPE_CHECKING:
    from n2uqc.backends.cost.trained import Effort
    from n2uqc.passes.program import Program


def measure_effort(program: Program, name: str, progress: Progress) -> Effort:
    """Compile a program for a processor and count its instructions under emulation.

    Args:
        program: the program.
        name: of a target of ``n2uqc compile``.
        progress: what is told of the work.

    Raises:
        CompileError: the name is no target, or one whose instructions are not counted.
        ToolchainError: a compiler, the emulator or llvm-mca is missing.
    """
    from n2uqc.backends import Request, find_target
    from n2uqc.backends.cost.trained import Effort
    from n2uqc.backends.cpu.profile import default_core, profile_artifact, require_counted
    from n2uqc.backends.manifest import read_manifest

    target = find_target(name)
    require_counted(target)
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        with progress.working(f"counting instructions for {name}"):
            place = target.build(program, Request(), lambda step: None).save(Path(folder) / "it")
            manifest = read_manifest(place)
            core, _ = default_core(manifest)
            found = profile_artifact(place, core=core)
        size = (place / manifest["library"]).stat().st_size
    return Effort(name, found.core, found.instructions, found.cycles, size)
