"""Execution of a program by several targets: interpreter, binaries, simulated datapath."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import SILENT, Progress, in_pieces

if TYPE_CHECKING:
    from n2uqc.backends import Target
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch

USUAL = ("program", "host", "aarch64", "fpga")
"""Targets that are compared by default; the first one is the reference."""


@dataclass(frozen=True)
class Outcome:
    """The result of one target on a batch.

    Attributes:
        target: the target.
        output: the outputs, int64 (N, H, W, C), bare or by name as the inputs were; None if it
            could not run here.
        seconds: run time without compilation.
        missing: why it could not run; "" if it did.
    """

    target: Target
    output: Any
    seconds: float = 0.0
    missing: str = ""


def run_all(
    program: Program,
    x: Batch,
    folder: Path | None = None,
    targets: Sequence[Target] | None = None,
    announce: Callable[[Target], None] = lambda target: None,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Run a batch with several targets.

    Args:
        program: a lowered program.
        x: integers of each input's type by name, (N, H, W, C); bare where there is one input and
            one output.
        folder: folder to save artifacts in; by default a temporary one.
        targets: the targets; by default ``USUAL``.
        announce: called with each target before it begins.
        progress: what is told of the work.
    """
    from n2uqc.backends import find_target

    if targets is None:
        targets = [find_target(name) for name in USUAL]
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
            return run_all(program, x, Path(place), targets, announce, progress)
    outcomes = []
    for target in targets:
        announce(target)
        outcomes.append(_run(target, program, x, folder, progress))
    return outcomes


def _run(target: Target, program: Program, x: Batch, folder: Path, progress: Progress) -> Outcome:
    from n2uqc.backends import ToolchainError

    from .errors import missing_part

    what = target.executor_summary
    try:
        with progress.working(f"building: {what}"):
            runner = target.runner(program, folder)
        start = time.perf_counter()
        output = in_pieces(runner, x, what, progress)
    except ToolchainError as error:
        return Outcome(target, None, missing=str(error))
    except ModuleNotFoundError as error:
        if (missing := missing_part(error)) is None:
            raise
        return Outcome(target, None, missing=str(missing))
    return Outcome(target, output, time.perf_counter() - start)
